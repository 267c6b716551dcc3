-- Energy, voltage, gaps and switch states of one UTC date, from its staged rows and from what
-- the day before left (`before`, `before_states`: values held, last sign of life).
-- Needs the tables rows, before, before_states, held, names, switches; parameters $day, $gap_s.
--
-- A value holds until the next of its code. It is cut by an offline row, by a silence of all
-- codes longer than the gap limit, and by time that was never asked about in whole (`held` has
-- the spans that were): beyond, the time is unobserved, never zero.

-- A day's ticks cut the held values every five minutes, so that each piece of time lies in
-- one hour and in one ten-minute slot.
CREATE OR REPLACE TEMP TABLE devices AS
WITH known AS (
    SELECT device_id, max(event_time) AS until FROM rows GROUP BY device_id
    UNION ALL
    SELECT device_id, max(held_end) FROM held GROUP BY device_id
    UNION ALL
    SELECT device_id, $day::TIMESTAMPTZ FROM before
)
SELECT
    device_id, coalesce(any_value(names.device_name), device_id) AS device_name,
    max(known.until) AS until
FROM known
LEFT JOIN names USING (device_id)
GROUP BY device_id;

CREATE OR REPLACE TEMP TABLE line AS
SELECT device_id, event_time AS t, event_id = 2 AS goes_offline, quantity, kind, amount, false AS tick
FROM rows
WHERE event_id NOT IN (5, 10)  -- commands and timers come from the cloud: no sign of life
UNION ALL
SELECT device_id, tick.t, NULL, NULL, NULL, NULL, true
FROM devices
CROSS JOIN (
    SELECT unnest(generate_series(
        $day::TIMESTAMPTZ, $day::TIMESTAMPTZ + INTERVAL 1435 MINUTE, INTERVAL 5 MINUTE
    )) AS t
) AS tick
WHERE tick.t < devices.until
UNION ALL
SELECT device_id, edge, NULL, NULL, NULL, NULL, true
FROM (SELECT device_id, unnest([held_start, held_end]) AS edge FROM held)
WHERE edge < $day::TIMESTAMPTZ + INTERVAL 1 DAY;

CREATE OR REPLACE TEMP TABLE cut_line AS
WITH seen AS (
    SELECT
        line.*,
        devices.until,
        held.held_start IS NOT NULL AND t < held.held_end AS asked,
        coalesce(
            last_value(CASE WHEN NOT tick THEN t END IGNORE NULLS) OVER earlier, before.last_seen
        ) AS seen_before,
        coalesce(
            last_value(CASE WHEN NOT tick THEN t END IGNORE NULLS) OVER so_far, before.last_seen
        ) AS last_seen,
        coalesce(
            last_value(goes_offline IGNORE NULLS) OVER so_far, before.offline, false
        ) AS offline,
        lead(t, 1, devices.until) OVER ordered AS next_t
    FROM line
    JOIN devices ON devices.device_id = line.device_id
    LEFT JOIN before ON before.device_id = line.device_id
    ASOF LEFT JOIN held ON held.device_id = line.device_id AND line.t >= held.held_start
    WINDOW
        ordered AS (PARTITION BY line.device_id ORDER BY t, tick DESC, goes_offline, quantity, amount),
        so_far AS (
            PARTITION BY line.device_id ORDER BY t, tick DESC, goes_offline, quantity, amount
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ),
        earlier AS (
            PARTITION BY line.device_id ORDER BY t, tick DESC, goes_offline, quantity, amount
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
)
SELECT
    *,
    sum((
        NOT asked OR (NOT tick AND (goes_offline OR t > seen_before + to_seconds($gap_s)))
    )::INTEGER) OVER (
        PARTITION BY device_id ORDER BY t, tick DESC, goes_offline, quantity, amount
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS piece
FROM seen;

-- Grain: one piece of time of a device in which nothing changes. `observed_s` is the part
-- of it in which the device was alive. [s, W, V]
CREATE OR REPLACE TEMP TABLE segments AS
WITH held AS (
    SELECT
        cut_line.*,
        coalesce(
            last_value(CASE WHEN quantity = 'power' THEN amount END IGNORE NULLS) OVER held_so_far,
            CASE WHEN piece = 0 THEN before.power_w END
        ) AS power_w,
        coalesce(
            last_value(CASE WHEN quantity = 'voltage' THEN amount END IGNORE NULLS) OVER held_so_far,
            CASE WHEN piece = 0 THEN before.voltage_v END
        ) AS voltage_v,
        CASE
            WHEN NOT asked OR cut_line.offline OR cut_line.last_seen IS NULL THEN t
            ELSE greatest(t, least(next_t, cut_line.last_seen + to_seconds($gap_s)))
        END AS alive_until
    FROM cut_line
    LEFT JOIN before ON before.device_id = cut_line.device_id
    WINDOW held_so_far AS (
        PARTITION BY cut_line.device_id, piece
        ORDER BY t, tick DESC, goes_offline, quantity, amount
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
SELECT *, epoch_us(alive_until - t) / 1e6 AS observed_s
FROM held;

-- How long a device was observed since its first segment, up to each t. Whole microseconds:
-- their sums are exact in any order. [us]
CREATE OR REPLACE TEMP TABLE watch AS
SELECT
    device_id, t, max(alive_until) AS alive_until,
    sum(sum(epoch_us(alive_until - t))) OVER (PARTITION BY device_id ORDER BY t)
        - sum(epoch_us(alive_until - t)) AS before_us
FROM segments
GROUP BY device_id, t;

-- Counters that only grow: what was added since the reading before. A fall to less than nine
-- tenths is a reset (Home Assistant's rule); a smaller dip holds the highest reading.
-- `placed`: whether the hour in which it was used is known. It is not where the reading before
-- lies in another hour and either further back than the gap limit or beyond unobserved time.
CREATE OR REPLACE TEMP TABLE totals AS
WITH readings AS (
    SELECT
        rows.device_id, event_time, amount,
        amount < 0.9 * coalesce(
            lag(amount) OVER (PARTITION BY rows.device_id ORDER BY event_time, amount),
            before.total_wh
        ) AS reset
    FROM rows
    LEFT JOIN before USING (device_id)
    WHERE kind = 'total' AND quantity = 'energy' AND amount >= 0  -- below zero: no reading
),
runs AS (
    SELECT
        *,
        sum(coalesce(reset, false)::INTEGER) OVER (
            PARTITION BY device_id ORDER BY event_time, amount
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS run
    FROM readings
),
highest AS (
    SELECT
        runs.device_id, event_time, run, amount, before.total_wh,
        greatest(
            max(amount) OVER (
                PARTITION BY runs.device_id, run ORDER BY event_time, amount
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ),
            CASE WHEN run = 0 THEN before.total_wh END
        ) AS high_wh
    FROM runs
    LEFT JOIN before USING (device_id)
),
watched AS (
    SELECT
        highest.*,
        (watch.before_us + epoch_us(least(event_time, watch.alive_until) - watch.t))::BIGINT
            AS watched_us
    FROM highest
    ASOF LEFT JOIN watch
        ON watch.device_id = highest.device_id AND highest.event_time >= watch.t
),
stretches AS (
    SELECT
        watched.device_id, event_time, high_wh, watched_us,
        high_wh - coalesce(
            lag(high_wh) OVER (PARTITION BY watched.device_id, run ORDER BY event_time, amount),
            CASE WHEN run > 0 THEN 0 ELSE coalesce(watched.total_wh, high_wh) END
        ) AS added_wh,
        coalesce(lag(event_time) OVER in_order, before.total_at) AS since,
        watched_us - coalesce(lag(watched_us) OVER in_order, -before.total_watched_us)
            AS since_watched_us
    FROM watched
    LEFT JOIN before ON before.device_id = watched.device_id
    WINDOW in_order AS (PARTITION BY watched.device_id ORDER BY event_time, amount)
)
SELECT
    device_id, event_time, high_wh, watched_us, added_wh, since,
    since IS NULL OR added_wh = 0
        OR date_trunc('hour', since) = date_trunc('hour', event_time)
        OR (
            event_time <= since + to_seconds($gap_s)
            AND since_watched_us >= epoch_us(event_time - since)
        ) AS placed
FROM stretches;

-- Grain: one hour (UTC) of a device. NULL energy: nothing was observed. [Wh, s]
-- `energy_wh_unplaced` is what the counter added, up to its first reading in the hour, since
-- its reading at `unplaced_start`, in an earlier hour; it is in no hour's `energy_wh_total`.
-- Increments stay where they are reported: one after hours that nobody asked about is the energy
-- since a report that was not read, and a plug at rest sends none for as long as it rests.
CREATE OR REPLACE TEMP TABLE energy_hourly AS
WITH metered AS (
    SELECT
        device_id, date_trunc('hour', event_time) AS hour_start,
        sum(CASE WHEN kind = 'increment' THEN amount END) AS energy_wh_increment,
        count(CASE WHEN kind = 'increment' THEN amount END) AS increments
    FROM rows
    WHERE quantity = 'energy'
    GROUP BY ALL
),
counted AS (
    SELECT
        device_id, date_trunc('hour', event_time) AS hour_start,
        sum(CASE WHEN placed THEN added_wh END) AS energy_wh_total,
        sum(CASE WHEN NOT placed THEN added_wh END) AS energy_wh_unplaced,
        min(CASE WHEN NOT placed THEN since END) AS unplaced_start
    FROM totals
    GROUP BY ALL
),
observed AS (
    SELECT
        device_id, date_trunc('hour', t) AS hour_start,
        sum(observed_s) AS alive_s,
        sum(CASE WHEN power_w IS NOT NULL THEN observed_s ELSE 0 END) AS power_s,
        sum(power_w * observed_s) / 3600 AS energy_wh_integral,
        max(CASE WHEN observed_s > 0 THEN power_w END) AS power_w_max
    FROM segments
    GROUP BY ALL
)
SELECT
    device_id, devices.device_name, hour_start, alive_s, power_s,
    CASE
        WHEN increments > 0 THEN energy_wh_increment
        WHEN alive_s > 0 AND (before.has_increment OR device_id IN (SELECT device_id FROM metered WHERE increments > 0)) THEN 0
    END AS energy_wh_increment,
    CASE
        WHEN energy_wh_total IS NOT NULL THEN energy_wh_total
        WHEN alive_s > 0 AND before.total_wh IS NOT NULL AND unplaced_start IS NULL THEN 0
    END AS energy_wh_total,
    CASE WHEN power_s > 0 THEN energy_wh_integral END AS energy_wh_integral,
    power_w_max, energy_wh_unplaced, unplaced_start
FROM observed
JOIN devices USING (device_id)
LEFT JOIN before USING (device_id)
LEFT JOIN metered USING (device_id, hour_start)
LEFT JOIN counted USING (device_id, hour_start)
ORDER BY device_id, hour_start;

-- Grain: one ten-minute slot (UTC) of a device with any voltage held in it; time-weighted. [V, s]
CREATE OR REPLACE TEMP TABLE voltage_10min AS
SELECT
    device_id, any_value(devices.device_name) AS device_name,
    time_bucket(INTERVAL 10 MINUTE, t) AS slot_start,
    sum(voltage_v * observed_s) / sum(observed_s) AS voltage_v,
    sum(observed_s) AS voltage_s
FROM segments
JOIN devices USING (device_id)
WHERE voltage_v IS NOT NULL AND observed_s > 0
GROUP BY device_id, slot_start
ORDER BY device_id, slot_start;

-- Grain: one stretch of a date in which a device was not observed, with its cause. [s]
CREATE OR REPLACE TEMP TABLE gaps AS
WITH pieces AS (
    SELECT
        device_id, last_seen,
        alive_until AS gap_start,
        next_t AS gap_end,
        CASE WHEN NOT asked THEN 'not asked' WHEN offline THEN 'offline' ELSE 'silence' END
            AS cause
    FROM segments
    WHERE last_seen IS NOT NULL AND alive_until < next_t
),
marked AS (
    SELECT
        *,
        coalesce(gap_start <> lag(gap_end) OVER w OR cause <> lag(cause) OVER w, true) AS begins
    FROM pieces
    WINDOW w AS (PARTITION BY device_id ORDER BY gap_start)
),
numbered AS (
    SELECT *, sum(begins::INTEGER) OVER (PARTITION BY device_id ORDER BY gap_start) AS number
    FROM marked
)
SELECT
    device_id, any_value(devices.device_name) AS device_name,
    min(gap_start) AS gap_start, max(gap_end) AS gap_end,
    epoch_us(max(gap_end) - min(gap_start)) / 1e6 AS gap_s,
    any_value(cause) AS cause, max(last_seen) AS last_seen
FROM numbered
JOIN devices USING (device_id)
GROUP BY device_id, number
ORDER BY device_id, gap_start;

-- Grain: one hour (UTC) of a device: its 3600 s by what is known of them. [s]
-- Asked about in whole, it was observed, offline or silent (also where it was never heard of);
-- what is left of the hour nobody asked about, or it is still to come.
CREATE OR REPLACE TEMP TABLE availability_hourly AS
WITH known AS (
    SELECT
        device_id, date_trunc('hour', t) AS hour_start,
        sum(epoch_us(alive_until) - epoch_us(t)) AS observed_us,
        sum((epoch_us(next_t) - epoch_us(alive_until)) * (asked AND offline)::BIGINT) AS offline_us,
        sum((epoch_us(next_t) - epoch_us(alive_until)) * (asked AND NOT offline)::BIGINT)
            AS silent_us
    FROM segments
    GROUP BY ALL
)
SELECT
    device_id, devices.device_name, hour_start,
    observed_us / 1e6 AS observed_s, offline_us / 1e6 AS offline_s, silent_us / 1e6 AS silent_s,
    (3600000000 - observed_us - offline_us - silent_us) / 1e6 AS not_asked_s
FROM known
JOIN devices USING (device_id)
ORDER BY device_id, hour_start;

-- Grain: one stretch of a date in which a switch kept its state. [s]
CREATE OR REPLACE TEMP TABLE states AS
WITH switched AS (
    SELECT device_id, code, event_time AS t, amount
    FROM rows
    WHERE amount IS NOT NULL
        AND (starts_with(code, 'switch') OR (device_id, code) IN (FROM switches))
    UNION ALL
    SELECT device_id, code, $day::TIMESTAMPTZ, amount FROM before_states
)
SELECT
    device_id, devices.device_name, code, amount > 0 AS is_on, t AS state_start,
    lead(t, 1, until) OVER (PARTITION BY device_id, code ORDER BY t) AS state_end
FROM switched
JOIN devices USING (device_id)
QUALIFY state_end > state_start
ORDER BY device_id, code, state_start;

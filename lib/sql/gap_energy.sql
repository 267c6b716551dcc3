-- What each device's energy meter and power said around each fall of the whole house.
-- Grain: one event of a device that counts energy. [Wh, h]. Needs the tables events (event,
-- event_start, event_end), codes (code, quantity, kind) and units; parameter $files.
-- `gap_wh` is what the meter counted between its last reading before and its first after, less
-- what the power held outside the gap explains; `usual_wh` what the mean power of the hour
-- before would have used in the gap.
WITH rows AS (
    SELECT
        event, event_start, event_end, device_id, event_time AS t, quantity, kind,
        value_num * factor AS amount
    FROM read_parquet($files, hive_partitioning = false)
    JOIN codes USING (code)
    JOIN units USING (unit)
    JOIN events
        ON event_time >= event_start - INTERVAL 3 HOUR AND event_time < event_end + INTERVAL 3 HOUR
    WHERE value_num IS NOT NULL AND event_id NOT IN (5, 10)
),
meters AS (
    SELECT
        event, device_id, any_value(event_start) AS event_start, any_value(event_end) AS event_end,
        max(t) FILTER (t <= event_start) AS before_t, min(t) FILTER (t >= event_end) AS after_t,
        CASE
            WHEN bool_or(kind = 'increment') THEN
                arg_min(amount, t) FILTER (t >= event_end AND kind = 'increment')
            ELSE
                arg_min(amount, t) FILTER (t >= event_end)
                - arg_max(amount, t) FILTER (t <= event_start)
        END AS counted_wh
    FROM rows
    WHERE quantity = 'energy' AND kind IN ('increment', 'total')
    GROUP BY event, device_id
),
-- Power holds until the next value; the last before a fall until the fall.
powers AS (
    SELECT
        event, event_start, event_end, device_id, t, amount AS power_w,
        lead(t, 1, event_end + INTERVAL 3 HOUR) OVER (
            PARTITION BY event, device_id ORDER BY t, amount
        ) AS next_t
    FROM rows
    WHERE quantity = 'power'
),
pieces AS (
    SELECT
        event, device_id, power_w,
        greatest(0, epoch_us(least(next_t, p.event_start)) - epoch_us(greatest(t, before_t)))
            + greatest(0, epoch_us(least(next_t, after_t)) - epoch_us(greatest(t, p.event_end)))
            AS outside_us,
        greatest(
            0,
            epoch_us(least(next_t, p.event_start))
            - epoch_us(greatest(t, p.event_start - INTERVAL 1 HOUR))
        ) AS usual_us
    FROM powers AS p
    JOIN meters USING (event, device_id)
)
SELECT
    event, device_id,
    any_value(counted_wh) - sum(power_w * outside_us) / 3.6e9 AS gap_wh,
    sum(power_w * usual_us) / sum(usual_us)
        * any_value(epoch_us(event_end) - epoch_us(event_start)) / 3.6e9 AS usual_wh,
    any_value(epoch_us(event_end) - epoch_us(event_start)) / 3.6e9 AS gap_h
FROM pieces
JOIN meters USING (event, device_id)
WHERE counted_wh IS NOT NULL AND before_t IS NOT NULL AND after_t IS NOT NULL
GROUP BY event, device_id
HAVING sum(usual_us) > 0
ORDER BY event, device_id

-- Power of one UTC date by slots, and its stretches above and below each device's thresholds.
-- Needs the tables segments, devices and before; parameters $on_w, $off_w.

-- Grain: one five-minute slot (UTC) of a device with any power held in it; time-weighted. [W, s]
CREATE OR REPLACE TEMP TABLE power_5min AS
SELECT
    device_id, any_value(devices.device_name) AS device_name,
    time_bucket(INTERVAL 5 MINUTE, t) AS slot_start,
    sum(power_w * observed_s) / sum(observed_s) AS power_w,
    sum(observed_s) AS power_s,
    max(power_w) AS power_w_max
FROM segments
JOIN devices USING (device_id)
WHERE power_w IS NOT NULL AND observed_s > 0
GROUP BY device_id, slot_start
ORDER BY device_id, slot_start;

-- Grain: one stretch of a date in which a load kept to one side of its hysteresis: on from
-- $on_w, off below $off_w, between the two as it was before (off where nothing is known of that).
-- Time in which its power was not known ends a stretch, not what is remembered of it. [Wh, W]
CREATE OR REPLACE TEMP TABLE loads AS
WITH judged AS (
    SELECT
        segments.device_id, t, alive_until, segments.power_w, observed_s,
        coalesce(
            last_value(
                CASE
                    WHEN segments.power_w >= $on_w THEN true
                    WHEN segments.power_w < $off_w THEN false
                END IGNORE NULLS
            ) OVER (PARTITION BY segments.device_id ORDER BY t),
            before.load_on,
            false
        ) AS is_on
    FROM segments
    LEFT JOIN before USING (device_id)
    WHERE segments.power_w IS NOT NULL AND observed_s > 0
),
marked AS (
    SELECT
        *,
        coalesce(is_on <> lag(is_on) OVER own OR t <> lag(alive_until) OVER own, true) AS begins
    FROM judged
    WINDOW own AS (PARTITION BY device_id ORDER BY t)
),
numbered AS (
    SELECT *, sum(begins::INTEGER) OVER (PARTITION BY device_id ORDER BY t) AS number
    FROM marked
)
SELECT
    device_id, any_value(devices.device_name) AS device_name, any_value(is_on) AS is_on,
    min(t) AS load_start, max(alive_until) AS load_end,
    sum(power_w * observed_s) / 3600 AS energy_wh,
    max(power_w) AS power_w_max
FROM numbered
JOIN devices USING (device_id)
GROUP BY device_id, number
ORDER BY device_id, load_start;

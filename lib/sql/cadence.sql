-- How often a device reports: time between two reports of a code, while its load is on and off.
-- Grain: one code of a device in one state; code NULL: any row, that is, a sign of life. [s]
-- Parameters $files, $since, $until, $power_codes, $switch_codes, $on_w, $slot_s.
-- A time between reports that a disconnection cuts is left out: nobody could report then. Of
-- signs of life, those of one report (stamped within a second) count as one. Of fewer than five
-- times no quantile is told.
-- `is_on`: the last power was at least $on_w; of a device without power, its last switch was on.
WITH rows AS MATERIALIZED (
    SELECT
        device_id, device_name, code, event_time AS t,
        sum((event_id IN (1, 2))::INTEGER) OVER before AS piece,
        coalesce(
            last_value(CASE WHEN list_contains($power_codes, code) THEN value_num >= $on_w END IGNORE NULLS)
                OVER before,
            last_value(CASE WHEN list_contains($switch_codes, code) THEN value_num > 0 END IGNORE NULLS)
                OVER before
        ) AS is_on
    FROM read_parquet($files, hive_partitioning = false)
    WHERE event_time >= $since AND event_time < $until
        AND event_id NOT IN (5, 10)  -- commands and timers come from the cloud
    WINDOW before AS (
        PARTITION BY device_id ORDER BY event_time, code NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),
-- The state that counts is that in which the time began: the earlier row's.
own AS (
    SELECT
        *,
        lag(is_on) OVER ordered AS was_on,
        CASE WHEN piece = lag(piece) OVER ordered
            THEN (epoch_us(t) - epoch_us(lag(t) OVER ordered)) / 1e6 END AS since_s
    FROM rows
    WHERE code IS NOT NULL
    WINDOW ordered AS (PARTITION BY device_id, code ORDER BY t)
),
any_row AS (
    SELECT
        *,
        lag(is_on) OVER ordered AS was_on,
        CASE WHEN piece = lag(piece) OVER ordered
            THEN (epoch_us(t) - epoch_us(lag(t) OVER ordered)) / 1e6 END AS since_s
    FROM rows
    WINDOW ordered AS (PARTITION BY device_id ORDER BY t, code NULLS LAST)
),
by_code AS (
    SELECT
        device_id, any_value(device_name) AS device_name, code, was_on AS is_on,
        count(*) AS reports, median(since_s) AS median_s, quantile_cont(since_s, 0.95) AS p95_s,
        max(since_s) AS max_s
    FROM own
    WHERE since_s IS NOT NULL
    GROUP BY device_id, code, was_on
    HAVING count(*) >= 5
),
by_device AS (
    SELECT
        device_id, any_value(device_name) AS device_name, NULL AS code, NULL AS is_on,
        count_if(since_s IS NULL OR since_s > 1) AS reports,
        median(since_s) FILTER (since_s > 1) AS median_s,
        quantile_cont(since_s, 0.95) FILTER (since_s > 1) AS p95_s, max(since_s) AS max_s,
        count(DISTINCT epoch_us(t) // ($slot_s * 1000000)::BIGINT) AS slots_heard,
        epoch_us(max(t)) // ($slot_s * 1000000)::BIGINT
            - epoch_us(min(t)) // ($slot_s * 1000000)::BIGINT + 1 AS slots,
        (epoch_us(max(t)) - epoch_us(min(t))) / 1e6 AS span_s
    FROM any_row
    GROUP BY device_id
)
FROM by_code
UNION ALL BY NAME
FROM by_device
ORDER BY device_name, device_id, code NULLS FIRST, is_on

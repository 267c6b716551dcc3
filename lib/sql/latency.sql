-- How long after its event a row was first taken in, of each device; last, without an id, of all.
-- Grain: one device. [h]. Parameter $files. Rows that do not say when they came are left out.
-- Ages are counted to the second: quantiles over single rows would hold every row in memory.
-- One instant minus another is ten times as slow as the difference of their microseconds.
WITH own AS (
    SELECT
        device_id, count(*) AS rows, max(event_time) AS newest,
        arg_max(device_name, event_time) AS device_name,
        (epoch_us(ingestion_timestamp_utc) - epoch_us(event_time) + 500000) // 1000000 AS late_s
    FROM read_parquet($files, hive_partitioning = false)
    WHERE ingestion_timestamp_utc IS NOT NULL
    GROUP BY device_id, late_s
),
ages AS (
    FROM own
    UNION ALL BY NAME
    SELECT late_s, sum(rows) AS rows FROM own GROUP BY late_s
),
counted AS (
    SELECT
        *,
        sum(rows) OVER (PARTITION BY device_id ORDER BY late_s) AS up_to,
        0.50 * (sum(rows) OVER (PARTITION BY device_id) - 1)::DOUBLE AS p50,
        0.95 * (sum(rows) OVER (PARTITION BY device_id) - 1)::DOUBLE AS p95
    FROM ages
),
-- The ages of the two rows around a quantile's place, between which it lies.
around AS (
    SELECT
        device_id, arg_max(device_name, newest) AS device_name, sum(rows)::BIGINT AS rows,
        min(late_s) FILTER (up_to > floor(p50)) AS low_50,
        min(late_s) FILTER (up_to > ceil(p50)) AS high_50,
        min(late_s) FILTER (up_to > floor(p95)) AS low_95,
        min(late_s) FILTER (up_to > ceil(p95)) AS high_95,
        any_value(p50 - floor(p50)) AS part_50, any_value(p95 - floor(p95)) AS part_95,
        max(late_s) AS max_s
    FROM counted
    GROUP BY device_id
)
SELECT
    device_id, device_name, rows,
    (low_50 + part_50 * (high_50 - low_50)) / 3600 AS median_h,
    (low_95 + part_95 * (high_95 - low_95)) / 3600 AS p95_h,
    max_s / 3600 AS max_h
FROM around
ORDER BY device_id NULLS LAST

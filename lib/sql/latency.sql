-- How long after its event a row was first taken in, of each device; last, without an id, of all.
-- Grain: one device. [h]. Parameter $files. Rows that do not say when they came are left out.
WITH aged AS (
    SELECT *, epoch_us(ingestion_timestamp_utc - event_time) / 3.6e9 AS late_h
    FROM read_parquet($files, hive_partitioning = false)
    WHERE ingestion_timestamp_utc IS NOT NULL
)
SELECT
    device_id,
    CASE WHEN device_id IS NOT NULL THEN arg_max(device_name, event_time) END AS device_name,
    count(*) AS rows,
    quantile_cont(late_h, 0.5) AS median_h,
    quantile_cont(late_h, 0.95) AS p95_h,
    max(late_h) AS max_h
FROM aged
GROUP BY ROLLUP (device_id)
ORDER BY device_id NULLS LAST

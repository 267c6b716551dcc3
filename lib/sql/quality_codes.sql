-- What every staged row of a window says at a glance: extremes, newest rows, rows from the future.
-- Grain: one code of a device in one unit. An event up to $skew_s after its collection is not yet
-- from the future. Parameters $files, $start, $end and $skew_s.
SELECT
    device_id, code, unit, count(*) AS rows,
    max(event_time) AS newest_event, max(ingestion_timestamp_utc) AS newest_ingest,
    min(value_num) AS lowest, max(value_num) AS highest,
    count_if(
        epoch_us(event_time) - epoch_us(ingestion_timestamp_utc) > $skew_s * 1000000
    ) AS from_future
FROM read_parquet($files, hive_partitioning = false)
WHERE event_time >= $start AND event_time < $end
GROUP BY device_id, code, unit
ORDER BY ALL

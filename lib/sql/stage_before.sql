-- The rows of a date that are staged already, each by its first ingestion.
INSERT INTO before
SELECT
    device_id, code, value, event_id, event_from, ingestion_timestamp_utc, ingested_by,
    filename AS name, event_time
FROM read_parquet($partition, hive_partitioning = false);

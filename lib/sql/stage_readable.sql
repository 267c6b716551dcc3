-- Read every row of raw files, to find the one that cannot be read.
SELECT
    count(code), count(value), count(event_value), count(event_id), count(event_from),
    count(event_time), count(ingestion_timestamp_utc), count(ingested_by)
FROM raw_rows($files);

-- How many rows of each device came late, went or changed between two states of a date:
-- the tables readings_before and readings_after.
WITH old AS (
    SELECT device_id, event_time, event_id, code, value, value_num, ingestion_timestamp_utc
    FROM readings_before
),
new AS (
    SELECT device_id, event_time, event_id, code, value, value_num, ingestion_timestamp_utc
    FROM readings_after
),
pairs AS (
    SELECT
        coalesce(old.device_id, new.device_id) AS device_id,
        old.device_id IS NULL AS is_late,
        new.device_id IS NULL AS is_gone,
        old.value IS DISTINCT FROM new.value
        OR old.value_num IS DISTINCT FROM new.value_num
        OR old.ingestion_timestamp_utc IS DISTINCT FROM new.ingestion_timestamp_utc AS is_other
    FROM old
    FULL JOIN new
        ON old.device_id = new.device_id AND old.event_time = new.event_time
        AND old.event_id IS NOT DISTINCT FROM new.event_id
        AND old.code IS NOT DISTINCT FROM new.code
)
SELECT
    device_id,
    count(*) FILTER (is_late),
    count(*) FILTER (is_gone),
    count(*) FILTER (is_other AND NOT is_late AND NOT is_gone)
FROM pairs
GROUP BY device_id
HAVING count(*) FILTER (is_late OR is_gone OR is_other) > 0
ORDER BY device_id

-- Offenders: rows not sorted by device, code and time, which readers and compression rely on.
SELECT device_id, code, event_time::VARCHAR AS event_time
FROM (
    SELECT *, lag((device_id, coalesce(code, '~'), event_time)) OVER (ORDER BY file_row_number) AS above
    FROM partition
)
WHERE above > (device_id, coalesce(code, '~'), event_time);

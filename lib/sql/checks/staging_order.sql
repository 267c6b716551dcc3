-- Offenders: rows not in ascending order of device, code, time and event type (readers and
-- compression rely on it), or with the key of the row before them.
-- NULL comes last. The file must be read in its own order: else every row offends.
SELECT device_id, code, event_time::VARCHAR AS event_time
FROM (
    SELECT
        device_id, code, event_time,
        coalesce(event_id, 2147483647) AS event_id,
        file_row_number - 1 IS DISTINCT FROM lag(file_row_number) OVER () AS elsewhere,
        file_row_number = 0 AS is_first,
        lag(device_id) OVER () AS device_above,
        coalesce(lag(code) OVER () > code, lag(code) OVER () IS NULL AND code IS NOT NULL) AS code_fell,
        lag(code) OVER () IS NOT DISTINCT FROM code AS same_code,
        lag(event_time) OVER () AS time_above,
        coalesce(lag(event_id) OVER (), 2147483647) AS id_above
    FROM partition
)
WHERE NOT is_first AND (
    elsewhere
    OR device_above > device_id
    OR (device_above = device_id AND code_fell)
    OR (device_above = device_id AND same_code AND time_above > event_time)
    OR (device_above = device_id AND same_code AND time_above = event_time AND id_above >= event_id)
);

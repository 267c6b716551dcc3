-- Offenders: rows outside the partition's date, or without a device.
SELECT device_id, event_time::VARCHAR AS event_time, code
FROM partition
WHERE device_id IS NULL
   OR event_time IS NULL
   OR event_time < $day::TIMESTAMPTZ
   OR event_time >= $day::TIMESTAMPTZ + INTERVAL 1 DAY;

-- How many values of some codes lie outside their limits.
-- Grain: one code of a device in one unit. Needs the table limits (device_id, code, unit, low,
-- high; of the codes that have such values alone); parameters $files, $start and $end.
SELECT device_id, code, unit, count(*) AS outside
FROM read_parquet($files, hive_partitioning = false) AS rows
JOIN limits USING (device_id, code, unit)
WHERE event_time >= $start AND event_time < $end AND (value_num < low OR value_num > high)
GROUP BY device_id, code, unit
ORDER BY ALL

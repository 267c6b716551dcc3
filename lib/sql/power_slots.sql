-- Mean power by slots of $minutes minutes, weighted by the time in which it was known. [W, s]
SELECT
    device_id, any_value(device_name) AS device_name,
    time_bucket(to_minutes($minutes), slot_start) AS slot_start,
    sum(power_w * power_s) / sum(power_s) AS power_w,
    sum(power_s) AS power_s,
    max(power_w_max) AS power_w_max
FROM read_parquet($files, hive_partitioning = false)
WHERE slot_start >= $start AND slot_start < $end
GROUP BY device_id, time_bucket(to_minutes($minutes), slot_start)
ORDER BY device_id, slot_start

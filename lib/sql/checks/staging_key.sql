-- Offenders: keys that stand more than once in a partition.
SELECT device_id, event_time::VARCHAR AS event_time, event_id, code, count(*) AS times
FROM partition
GROUP BY ALL
HAVING count(*) > 1;

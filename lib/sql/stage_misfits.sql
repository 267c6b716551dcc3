-- Codes of devices with texts where a number belongs: how many, and an example.
SELECT device_id, code, count(*) AS rows, min(left(value, 40)) AS example
FROM partition
WHERE unit IS NOT NULL AND value IS NOT NULL AND value_num IS NULL
GROUP BY ALL;

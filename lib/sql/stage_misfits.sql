-- Codes of devices with texts where a number belongs: how many since `stage_prepare`, and one.
SELECT device_id, code, sum(rows)::BIGINT AS rows, min(example) AS example
FROM misfits
GROUP BY ALL
ORDER BY ALL;

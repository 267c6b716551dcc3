-- Reports in which the power is more than voltage times current allow, of each device.
-- Grain: one device. Needs the table units; parameters $files, $since, $until, $tolerance, $slack_w and the
-- codes $powers, $voltages, $currents.
-- Data points of one report are stamped up to some 200 ms apart: rows that follow each other
-- within half a second are one report; of it, one value of each is needed.
WITH rows AS (
    SELECT
        device_id, event_time AS t, value_num * factor AS amount,
        CASE
            WHEN list_contains($powers, code) THEN 'p'
            WHEN list_contains($voltages, code) THEN 'v'
            ELSE 'i'
        END AS what
    FROM read_parquet($files, hive_partitioning = false)
    JOIN units USING (unit)
    WHERE event_time >= $since AND event_time < $until AND value_num IS NOT NULL
        AND (list_contains($powers, code) OR list_contains($voltages, code) OR list_contains($currents, code))
),
apart AS (
    SELECT
        *,
        epoch_us(t) - lag(epoch_us(t), 1, 0) OVER (PARTITION BY device_id ORDER BY t, what) > 500000
            AS begins
    FROM rows
),
numbered AS (
    SELECT
        *,
        sum(begins::INTEGER) OVER (
            PARTITION BY device_id ORDER BY t, what
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS report
    FROM apart
),
reports AS (
    SELECT
        device_id, report,
        max(amount) FILTER (what = 'p') AS power_w,
        max(amount) FILTER (what = 'v') AS voltage_v,
        max(amount) FILTER (what = 'i') AS current_a
    FROM numbered
    GROUP BY device_id, report
    HAVING count(*) = 3 AND count(DISTINCT what) = 3
)
SELECT
    device_id, count(*) AS reports,
    count_if(power_w > $tolerance * voltage_v * current_a + $slack_w) AS impossible
FROM reports
GROUP BY device_id
ORDER BY device_id

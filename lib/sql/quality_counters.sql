-- Readings of counters that only grow, against the reading before: resets, dips and jumps.
-- Grain: one such reading. [Wh]. Needs the table units; parameters $files, $totals (codes),
-- $start, $end, $reset_share and $most_w (mean power
-- since the reading before, of a minute at least: a counter's step takes no time).
WITH readings AS (
    SELECT
        device_id, code, event_time, value_num * factor AS total_wh,
        lag(value_num * factor) OVER ordered AS before_wh,
        lag(event_time) OVER ordered AS before_at
    FROM read_parquet($files, hive_partitioning = false)
    JOIN units USING (unit)
    WHERE list_contains($totals, code) AND value_num IS NOT NULL AND event_time >= $start AND event_time < $end
    WINDOW ordered AS (PARTITION BY device_id, code ORDER BY event_time, value_num)
)
SELECT
    device_id, code, event_time, before_at, before_wh, total_wh,
    CASE
        WHEN total_wh < $reset_share * before_wh THEN 'reset'
        WHEN total_wh < before_wh THEN 'dip'
        ELSE 'jump'
    END AS kind
FROM readings
WHERE total_wh < before_wh
    OR (total_wh - before_wh) * 3.6e9 > $most_w * greatest(60000000, epoch_us(event_time) - epoch_us(before_at))
ORDER BY ALL

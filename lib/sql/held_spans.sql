-- The spans of each device that the journal answers for, merged. The rule is that of `held.span`.
-- A device of which only empty spans are known has a row without any. [us]
-- Needs the table journal; parameter $memory_us: how long the cloud remembers.
WITH counted AS (
    SELECT
        device_id,
        CASE
            WHEN complete THEN greatest(start, asked_at - to_microseconds($memory_us))
            ELSE start
        END AS start,
        CASE WHEN complete THEN least("end", asked_at) ELSE "end" END AS stop
    FROM journal
    WHERE complete OR (
        rows > 0 AND pages IS NULL
        AND (coalesce(origin_sha256, '') <> '' OR NOT contains(file, '_logs_partial'))
    )
),
spans AS (
    SELECT device_id, start, max(stop) AS stop
    FROM counted
    WHERE start < stop
    GROUP BY device_id, start
),
marked AS (
    SELECT *, coalesce(start > max(stop) OVER earlier, true) AS begins
    FROM spans
    WINDOW earlier AS (
        PARTITION BY device_id ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
numbered AS (
    SELECT *, sum(begins::INTEGER) OVER (PARTITION BY device_id ORDER BY start) AS number
    FROM marked
),
merged AS (
    SELECT device_id, min(start) AS start, max(stop) AS stop
    FROM numbered
    GROUP BY device_id, number
)
SELECT device_id, epoch_us(start), epoch_us(stop)
FROM (SELECT DISTINCT device_id FROM counted)
LEFT JOIN merged USING (device_id)
ORDER BY device_id, start;

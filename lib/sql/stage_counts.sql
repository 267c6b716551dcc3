-- How the raw rows of one date became staged ones; came = staged + duplicate + conflicting.
SELECT
    (SELECT count(*) FROM came) AS came,
    count(*) AS staged,
    (SELECT coalesce(sum(copies - 1), 0) FROM distinct_values) AS duplicate,
    (SELECT count(*) FROM distinct_values) - (SELECT count(*) FROM winners) AS conflicting,
    count_if(
        coalesce(event_id, 7) = 7
        AND (code IS NULL OR value IS NULL OR (unit IS NOT NULL AND value_num IS NULL))
    ) AS incomplete,
    count_if(unit IS NOT NULL AND value IS NOT NULL AND value_num IS NULL) AS misfits
FROM partition;

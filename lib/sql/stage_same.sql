-- Whether the rows of a date are those that its partition has already: then its file stays.
SELECT
    (SELECT count(*) FROM before) = (SELECT count(*) FROM staged)
    AND NOT EXISTS (
        FROM staged EXCEPT ALL FROM read_parquet($partition, hive_partitioning = false)
    ) AS same;

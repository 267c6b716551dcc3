-- Whether the rows that were staged before all came again, and how many values lost to another.
-- Which value of a key is the newest is not in a partition: a conflict needs all files.
SELECT
    (SELECT count(*) FROM before) = (SELECT count(*) FROM came WHERE NOT is_new) AS stands,
    (SELECT count(*) FROM distinct_values) - (SELECT count(*) FROM winners) AS conflicting;

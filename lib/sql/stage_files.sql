-- Of how many rows of each raw file the date was made, duplicates and conflicts included.
SELECT filename, count(*) AS rows FROM came GROUP BY filename;

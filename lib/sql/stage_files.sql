-- How many rows of the date came of each raw file that was read, duplicates and conflicts included.
SELECT filename::VARCHAR AS filename, count(*) AS rows
FROM came JOIN files USING (file_no)
WHERE is_new
GROUP BY ALL;

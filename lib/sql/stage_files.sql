-- Of how many rows of each raw file the date was made, duplicates and conflicts included.
SELECT filename::VARCHAR AS filename, count(*) AS rows
FROM came JOIN files USING (file_no)
GROUP BY ALL;

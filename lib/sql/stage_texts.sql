-- The rows to read where an event time may be anything.
CREATE OR REPLACE TEMP MACRO gathered(rows) AS TABLE
SELECT * EXCLUDE (event_time), try_cast(event_time AS BIGINT) AS number, event_time AS told
FROM raw_rows(rows);

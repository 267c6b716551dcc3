-- The rows to read where every event time is a number: others are an error.
-- Making a number of a text costs as much as reading the row.
CREATE OR REPLACE TEMP MACRO gathered(rows) AS TABLE
SELECT * EXCLUDE (event_time), event_time AS number, NULL::VARCHAR AS told
FROM read_json(
    rows, format = 'array',
    columns = {
        code: 'VARCHAR', value: 'VARCHAR', event_value: 'VARCHAR', event_id: 'VARCHAR',
        event_from: 'VARCHAR', event_time: 'BIGINT', ingestion_timestamp_utc: 'VARCHAR',
        ingested_by: 'VARCHAR', 'tcc:file_no': 'INTEGER'
    }
);

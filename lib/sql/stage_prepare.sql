-- Scale and unit of a code, in force from an instant to the next specification; the first one also
-- before it was archived.
-- A power of ten below one is no exact double: a scale is a whole divisor and a whole factor.
CREATE OR REPLACE TEMP TABLE specifications AS
SELECT
    device_id, code, pow(10, greatest(scale, 0)) AS divisor, pow(10, greatest(-scale, 0)) AS factor,
    unit, is_number, is_integer,
    CASE
        WHEN row_number() OVER each_code = 1 THEN '-infinity'::TIMESTAMPTZ
        ELSE valid_from::TIMESTAMPTZ
    END AS valid_from,
    coalesce(lead(valid_from::TIMESTAMPTZ) OVER each_code, 'infinity'::TIMESTAMPTZ) AS valid_until
FROM archived
WINDOW each_code AS (PARTITION BY device_id, code ORDER BY valid_from);

-- Typical scale and unit, where a device's own specification is not known: all are whole numbers.
CREATE OR REPLACE TEMP TABLE assumed AS
SELECT
    code, pow(10, greatest(scale, 0)) AS divisor, pow(10, greatest(-scale, 0)) AS factor,
    unit, is_number, true AS is_integer
FROM known;

CREATE OR REPLACE TEMP TABLE names AS
SELECT device_id, device_name FROM named;

-- Raw files as text, column by column; every column is declared, for inferring them is slow.
CREATE OR REPLACE TEMP MACRO raw_rows(files) AS TABLE
SELECT * FROM read_json(
    files, format = 'array',
    columns = {
        code: 'VARCHAR', value: 'VARCHAR', event_value: 'VARCHAR', event_id: 'VARCHAR',
        event_from: 'VARCHAR', event_time: 'VARCHAR', ingestion_timestamp_utc: 'VARCHAR',
        ingested_by: 'VARCHAR', 'tcc:file_no': 'INTEGER'
    }
);

-- Rows of a date that are staged already, where they stand for the files that they came from.
CREATE OR REPLACE TEMP TABLE before (
    device_id VARCHAR, code VARCHAR, value VARCHAR, event_id INTEGER, event_from VARCHAR,
    ingestion_timestamp_utc TIMESTAMPTZ, ingested_by VARCHAR, name VARCHAR, event_time TIMESTAMPTZ
);

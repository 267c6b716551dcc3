-- All raw rows of one UTC date, typed and unique.
-- Grain: one row for each (device_id, event_time, event_id, code). Times are UTC.
-- Needs what stage_prepare.sql made, and in the table `before` the rows that are staged already.
-- Parameters: $day, the ascending $names of all files of the date in data/raw with their ascending
-- $numbers, of which 65536 belong to each device, and the file with the $rows of those to read,
-- each raw file's after an object with its number.
-- The same value again is a duplicate. Another value under the same key is a conflict: the
-- newest ingestion wins. Values are never compared across keys: equal increments are all real.
-- Texts of which there are few are carried as numbers: sorting and writing them costs the most.
DROP VIEW IF EXISTS staged;
DROP TABLE IF EXISTS kinds;
DROP TABLE IF EXISTS files;
DROP TYPE IF EXISTS name_of_file;
DROP TYPE IF EXISTS word;
CREATE OR REPLACE TEMP TABLE listed AS
SELECT unnest($numbers) AS file_no, unnest($names) AS name;
CREATE TYPE name_of_file AS ENUM (SELECT name FROM listed);
CREATE TEMP TABLE files AS
SELECT
    file_no,
    name::name_of_file AS filename,
    name,
    split_part(name, '/', 1) AS device_id,
    file_no // 65536 AS device_no
FROM listed;

-- A raw file holds rows of its folder's device alone: that was checked.
CREATE OR REPLACE TEMP TABLE came AS
WITH in_order AS (
    SELECT  -- one thread reads them in their order
        * EXCLUDE ("tcc:file_no"),
        "tcc:file_no" IS NULL AS is_row,
        max("tcc:file_no") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS file_no
    FROM gathered($rows)
),
read AS (
    SELECT
        file_no // 65536 AS device_no,
        code,
        coalesce(value, event_value) AS value,
        coalesce(try_cast(event_id AS INTEGER), CASE WHEN code IS NOT NULL THEN 7 END) AS event_id,
        event_from,
        told,
        number,
        CASE  -- ten digits are seconds; nothing before 2000 or from the year 3000 on
            WHEN number BETWEEN 946684800000 AND 32503679999999 THEN number * 1000
            WHEN number BETWEEN 946684800 AND 99999999999 THEN number * 1000000
        END AS event_us,
        try_cast(ingestion_timestamp_utc AS TIMESTAMPTZ) AS ingestion_timestamp_utc,
        ingested_by,
        file_no
    FROM in_order
    WHERE is_row
),
timed AS (
    SELECT
        * EXCLUDE (told, number, event_us),
        coalesce(
            make_timestamptz(event_us),
            CASE WHEN number IS NULL THEN try_cast(told AS TIMESTAMPTZ) END
        ) AS event_time
    FROM read
),
together AS (
    -- A row cannot be older than the cloud, nor from more than a day after it was taken in.
    SELECT *, true AS is_new
    FROM timed
    WHERE event_time >= $day::TIMESTAMPTZ AND event_time < $day::TIMESTAMPTZ + INTERVAL 1 DAY
        AND coalesce(epoch_us(event_time) - epoch_us(ingestion_timestamp_utc) <= 86400000000, true)
    UNION ALL BY NAME
    SELECT before.* EXCLUDE (device_id, name), device_no, file_no, false AS is_new
    FROM before JOIN files USING (name)
)
SELECT *, hash(device_no, code, event_time, event_id) AS key_hash FROM together;

-- Few keys came more than once: what follows looks at their rows alone.
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT key_hash FROM came GROUP BY key_hash HAVING count(*) > 1;

-- One row a value: the first ingestion of it is kept, so that asking again changes nothing.
-- Files are numbered in the order of their names.
CREATE OR REPLACE TEMP TABLE distinct_values AS
SELECT
    device_no, code, event_time, event_id, value,
    count(*) AS copies,
    max({'at': ingestion_timestamp_utc, 'file_no': file_no}) AS newest,
    min({
        'at': ingestion_timestamp_utc, 'file_no': file_no, 'ingested_by': ingested_by,
        'event_from': event_from
    }) AS first
FROM came SEMI JOIN repeated USING (key_hash)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE winners AS
SELECT
    device_no, code, event_time, event_id,
    arg_max(
        {'value': value, 'first': first}, {'newest': newest, 'value': coalesce(value, '')}
    ) AS kept
FROM distinct_values
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE present AS
SELECT device_no, device_id, code
FROM (SELECT DISTINCT device_no, code FROM came)
JOIN (SELECT DISTINCT device_no, device_id FROM files) USING (device_no);

-- What a device's code means at a time, and its place in the order of the file.
CREATE TYPE word AS ENUM (
    SELECT device_id FROM files
    UNION SELECT device_name FROM names
    UNION SELECT unit FROM specifications WHERE unit IS NOT NULL
    UNION SELECT unit FROM assumed WHERE unit IS NOT NULL
    UNION SELECT code FROM present WHERE code IS NOT NULL
);
CREATE TEMP TABLE kinds AS
SELECT
    device_no,
    code,
    row_number() OVER (ORDER BY device_id, code, specifications.valid_from)::INTEGER AS place,
    device_id::word AS device_word,
    coalesce(device_name, device_id)::word AS device_name,
    code::word AS code_word,
    specifications.code IS NOT NULL AS specified,
    assumed.code IS NOT NULL AS known,
    coalesce(specifications.valid_from, '-infinity'::TIMESTAMPTZ) AS valid_from,
    coalesce(specifications.valid_until, 'infinity'::TIMESTAMPTZ) AS valid_until,
    coalesce(specifications.divisor, assumed.divisor) AS divisor,
    coalesce(specifications.factor, assumed.factor) AS factor,
    coalesce(specifications.unit, assumed.unit)::word AS unit,
    coalesce(specifications.is_number, assumed.is_number, false) AS is_number,
    coalesce(specifications.is_integer, assumed.is_integer, false) AS is_integer
FROM present
LEFT JOIN specifications USING (device_id, code)
LEFT JOIN assumed USING (code)
LEFT JOIN names USING (device_id);

-- `value` is the text as it came; `value_num` is a finite number or NULL. A number is digits as
-- JSON writes them: casts alone would also take blanks, a plus sign, 1_000, NaN and Infinity.
CREATE TEMP VIEW staged AS
WITH kept AS (
    SELECT
        device_no, code, event_time, event_id, value, event_from, ingestion_timestamp_utc,
        ingested_by, file_no
    FROM came ANTI JOIN repeated USING (key_hash)
    UNION ALL
    SELECT
        device_no, code, event_time, event_id, kept.value, kept.first.event_from,
        kept.first.at, kept.first.ingested_by, kept.first.file_no
    FROM winners
),
numbered AS (
    SELECT
        kept.* EXCLUDE (code), kinds.* EXCLUDE (code, device_no),
        CASE
            WHEN is_number AND is_integer
            THEN CASE
                WHEN regexp_full_match(value, '-?[0-9]+')
                THEN try_cast(value AS DOUBLE) * factor / divisor
            END
            WHEN is_number
            THEN CASE
                WHEN regexp_full_match(value, '-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?')
                THEN try_cast(value AS DOUBLE) * factor / divisor
            END
            WHEN lower(value) IN ('true', 'false') THEN (lower(value) = 'true')::INTEGER::DOUBLE
        END AS number
    FROM kept
    JOIN kinds
        ON kinds.device_no = kept.device_no AND kinds.code IS NOT DISTINCT FROM kept.code
        AND event_time >= valid_from AND event_time < valid_until
)
SELECT
    device_word AS device_id,
    device_name,
    code_word AS code,
    event_time,
    event_id,
    value,
    CASE WHEN isfinite(number) THEN number END AS value_num,
    CASE WHEN is_number THEN unit END AS unit,
    event_from,
    ingestion_timestamp_utc,
    ingested_by,
    filename
FROM numbered
JOIN files USING (file_no)
ORDER BY place, event_time, event_id;

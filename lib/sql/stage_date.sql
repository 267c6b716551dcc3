-- All raw rows of one UTC date, typed and unique.
-- Grain: one row for each (device_id, event_time, event_id, code). Times are UTC.
-- Needs the tables specifications, assumed and names; parameters $files, $day, $root_length.
-- The same value again is a duplicate. Another value under the same key is a conflict: the
-- newest ingestion wins. Values are never compared across keys: equal increments are all real.
CREATE OR REPLACE TEMP TABLE came AS
WITH read AS (
    SELECT
        coalesce(nullif(device_id, ''), regexp_extract(filename, '([^/]+)/[^/]+/[^/]+$', 1)) AS device_id,
        code,
        coalesce(value, event_value) AS value,
        coalesce(try_cast(event_id AS INTEGER), CASE WHEN code IS NOT NULL THEN 7 END) AS event_id,
        event_from,
        coalesce(
            make_timestamptz(
                CASE  -- ten digits are seconds; nothing before 2000 or from the year 3000 on
                    WHEN try_cast(event_time AS BIGINT) BETWEEN 946684800 AND 99999999999
                    THEN try_cast(event_time AS BIGINT) * 1000000
                    WHEN try_cast(event_time AS BIGINT) BETWEEN 946684800000 AND 32503679999999
                    THEN try_cast(event_time AS BIGINT) * 1000
                END
            ),
            CASE
                WHEN try_cast(event_time AS BIGINT) IS NULL
                THEN try_cast(event_time AS TIMESTAMPTZ)
            END
        ) AS event_time,
        try_cast(ingestion_timestamp_utc AS TIMESTAMPTZ) AS ingestion_timestamp_utc,
        ingested_by,
        substr(filename, $root_length + 2) AS filename
    FROM raw_rows($files)
)
-- A row cannot be older than the cloud, nor from more than a day after it was taken in.
SELECT * FROM read
WHERE event_time >= $day::TIMESTAMPTZ AND event_time < $day::TIMESTAMPTZ + INTERVAL 1 DAY
    AND coalesce(event_time <= ingestion_timestamp_utc + INTERVAL 1 DAY, true);

-- One row a value: the first ingestion of it is kept, so that asking again changes nothing.
CREATE OR REPLACE TEMP TABLE distinct_values AS
SELECT
    device_id, code, event_time, event_id, value,
    count(*) AS copies,
    max((ingestion_timestamp_utc, filename)) AS newest,
    min((ingestion_timestamp_utc, filename, ingested_by, event_from)) AS first
FROM came
GROUP BY ALL;

-- `value` is the text as it came; `value_num` is a finite number or NULL. A number is digits as
-- JSON writes them: casts alone would also take blanks, a plus sign, 1_000, NaN and Infinity.
CREATE OR REPLACE TEMP TABLE staged AS
WITH winners AS (
    SELECT
        device_id, code, event_time, event_id,
        arg_max({'value': value, 'first': first}, (newest, coalesce(value, ''))) AS kept
    FROM distinct_values
    GROUP BY ALL
),
specified AS (
    SELECT
        winners.*,
        kept.value AS value,
        coalesce(specifications.divisor, assumed.divisor) AS divisor,
        coalesce(specifications.factor, assumed.factor) AS factor,
        coalesce(specifications.unit, assumed.unit) AS unit,
        coalesce(specifications.is_number, assumed.is_number, false) AS is_number,
        coalesce(specifications.is_integer, assumed.is_integer, false) AS is_integer
    FROM winners
    ASOF LEFT JOIN specifications
        ON specifications.device_id = winners.device_id
        AND specifications.code = winners.code
        AND winners.event_time >= specifications.valid_from
    LEFT JOIN assumed ON assumed.code = winners.code
),
numbered AS (
    SELECT
        *,
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
    FROM specified
)
SELECT
    device_id,
    coalesce(names.device_name, device_id) AS device_name,
    code,
    event_time,
    event_id,
    value,
    CASE WHEN isfinite(number) THEN number END AS value_num,
    CASE WHEN is_number THEN unit END AS unit,
    kept.first[4] AS event_from,
    kept.first[1] AS ingestion_timestamp_utc,
    kept.first[3] AS ingested_by,
    kept.first[2] AS filename
FROM numbered
LEFT JOIN names USING (device_id)
ORDER BY device_id, code, event_time, event_id;

INSERT INTO seen_codes
SELECT DISTINCT device_id, code FROM staged WHERE code IS NOT NULL;

-- What has no number where its code should have one, with an example.
INSERT INTO misfits
SELECT device_id, code, count(*), min(left(value, 40))
FROM staged
WHERE unit IS NOT NULL AND value IS NOT NULL AND value_num IS NULL
GROUP BY ALL;

-- The staged rows of one date in the units of analysis (W, V, A, Wh), with what they measure,
-- and what a meter says of its phases. Needs the tables codes and units; parameter $partition
-- (a list of files, none or one).
CREATE OR REPLACE TEMP TABLE rows AS
SELECT
    device_id, device_name, event_time, event_id, code,
    codes.quantity, codes.kind,
    -- A state, or a code that nobody knows, has no unit; an energy, power or voltage in an
    -- unknown one is no number.
    CASE
        WHEN coalesce(codes.kind, 'state') = 'state' THEN value_num
        ELSE value_num * units.factor
    END AS amount
FROM read_parquet($partition, hive_partitioning = false)
LEFT JOIN codes USING (code)
LEFT JOIN units USING (unit);

-- Voltage and power of each phase [V, W]. Base64 of exactly eight bytes: voltage (two bytes,
-- 0.1 V), current (three, mA), power (three, W), big-endian; other lengths have other layouts,
-- which nobody documents, and stay unread. As JSON: voltage in V and power in kW, which is how
-- Home Assistant reads it (github.com/home-assistant/core, components/tuya).
CREATE OR REPLACE TEMP TABLE phases AS
WITH texts AS (
    SELECT
        device_id, device_name, event_time, event_id, code,
        CASE
            WHEN regexp_full_match(value, '[A-Za-z0-9+/]{11}=')
            THEN from_base64(value)::BIT::UBIGINT
        END AS eight_bytes,
        CASE WHEN starts_with(value, '{') THEN try_cast(value AS JSON) END AS object
    FROM read_parquet($partition, hive_partitioning = false)
    WHERE code IN ('phase_a', 'phase_b', 'phase_c')
        AND value <> '' AND event_id NOT IN (5, 10)  -- commands and timers measure nothing
),
-- Words, blanks and quoted numbers in an object are no numbers.
measured AS (
    SELECT
        * EXCLUDE (object),
        CASE
            WHEN json_type(object, '$.voltage') IN ('UBIGINT', 'BIGINT', 'DOUBLE')
            THEN (object ->> '$.voltage')::DOUBLE
        END AS object_v,
        CASE
            WHEN json_type(object, '$.power') IN ('UBIGINT', 'BIGINT', 'DOUBLE')
            THEN (object ->> '$.power')::DOUBLE * 1000
        END AS object_w
    FROM texts
)
SELECT
    device_id, device_name, event_time, event_id, code,
    coalesce((eight_bytes >> 48)::DOUBLE / 10, CASE WHEN isfinite(object_v) THEN object_v END)
        AS voltage_v,
    coalesce((eight_bytes & 16777215)::DOUBLE, CASE WHEN isfinite(object_w) THEN object_w END)
        AS power_w
FROM measured;

-- A device's voltage is that of its phase a; its power is the sum of all phases that it names on
-- the date, where each was read within the two seconds up to then: the rows of one report are
-- stamped up to some 300 ms apart. A device that reports its voltage or its power by a code of
-- its own is believed.
INSERT INTO rows BY NAME
WITH reporting AS (
    SELECT DISTINCT device_id, quantity
    FROM rows
    WHERE quantity IN ('power', 'voltage') AND amount IS NOT NULL
),
powers AS (
    SELECT * FROM phases
    WHERE device_id NOT IN (SELECT device_id FROM reporting WHERE quantity = 'power')
),
named AS (
    SELECT device_id, count(DISTINCT code) AS codes
    FROM powers
    GROUP BY device_id
    HAVING bool_or(code = 'phase_a')
),
together AS (
    SELECT
        device_id, device_name, event_time, event_id,
        max((event_time, event_id, power_w)) FILTER (code = 'phase_a') OVER latest AS a,
        max((event_time, event_id, power_w)) FILTER (code = 'phase_b') OVER latest AS b,
        max((event_time, event_id, power_w)) FILTER (code = 'phase_c') OVER latest AS c
    FROM powers
    WINDOW latest AS (
        PARTITION BY device_id ORDER BY event_time
        RANGE BETWEEN INTERVAL 2 SECOND PRECEDING AND CURRENT ROW
    )
),
summed AS (
    SELECT
        device_id, any_value(device_name) AS device_name, event_time, max(event_id) AS event_id,
        any_value(list_filter([a[3], b[3], c[3]], lambda w: w IS NOT NULL)) AS came
    FROM together
    GROUP BY device_id, event_time
)
SELECT
    device_id, device_name, event_time, event_id, NULL AS code,
    'power' AS quantity, 'level' AS kind, list_sum(came) AS amount
FROM summed
JOIN named USING (device_id)
WHERE len(came) = codes
UNION ALL
SELECT device_id, device_name, event_time, event_id, NULL, 'voltage', 'level', voltage_v
FROM phases
WHERE code = 'phase_a' AND voltage_v IS NOT NULL
    AND device_id NOT IN (SELECT device_id FROM reporting WHERE quantity = 'voltage');

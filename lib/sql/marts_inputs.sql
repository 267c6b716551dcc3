-- The staged rows of one date in the units of analysis (W, V, A, Wh), with what they measure.
-- Needs the tables codes and units; parameter $partition (a list of files, none or one).
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

-- Energy of one local date, from the hours of the UTC dates around it.
-- Grain: one device. NULL energy: nothing was observed. Parameters $hours, $local_date, $time_zone.
-- What a counter added over a stretch within the local date is placed; what it added over one
-- that began before it is `energy_wh_unplaced`, part of no day's `energy_wh_total`.
-- [Wh, s]; coverage is observed time over the whole day, 0..1, which may have 23 or 25 hours.
CREATE OR REPLACE TEMP TABLE energy_daily AS
SELECT
    $local_date::DATE AS local_date,
    device_id,
    max(device_name) AS device_name,
    sum(energy_wh_increment) AS energy_wh_increment,
    sum(
        CASE
            WHEN timezone($time_zone, unplaced_start)::DATE = $local_date::DATE
                THEN coalesce(energy_wh_total, 0) + energy_wh_unplaced
            ELSE energy_wh_total
        END
    ) AS energy_wh_total,
    sum(
        CASE
            WHEN timezone($time_zone, unplaced_start)::DATE < $local_date::DATE
                THEN energy_wh_unplaced
        END
    ) AS energy_wh_unplaced,
    sum(energy_wh_integral) AS energy_wh_integral,
    sum(alive_s) AS alive_s,
    sum(power_s) AS power_s,
    sum(alive_s) / date_diff(
        'second',
        timezone($time_zone, $local_date::DATE::TIMESTAMP),
        timezone($time_zone, ($local_date::DATE + 1)::TIMESTAMP)
    ) AS coverage
FROM read_parquet($hours, hive_partitioning = false)
WHERE timezone($time_zone, hour_start)::DATE = $local_date::DATE
GROUP BY device_id
ORDER BY device_id;

-- Grain: one device. Its local date by what is known of it; the parts sum up to its length. [s]
-- Parameter $available: the same hours of the table availability_hourly.
CREATE OR REPLACE TEMP TABLE availability AS
WITH summed AS (
    SELECT
        device_id, max(device_name) AS device_name,
        round(sum(observed_s), 6) AS observed_s, round(sum(offline_s), 6) AS offline_s,
        round(sum(silent_s), 6) AS silent_s
    FROM read_parquet($available, hive_partitioning = false)
    WHERE timezone($time_zone, hour_start)::DATE = $local_date::DATE
    GROUP BY device_id
)
SELECT
    $local_date::DATE AS local_date, device_id, device_name, observed_s, offline_s, silent_s,
    round(
        date_diff(
            'second',
            timezone($time_zone, $local_date::DATE::TIMESTAMP),
            timezone($time_zone, ($local_date::DATE + 1)::TIMESTAMP)
        ) - observed_s - offline_s - silent_s, 6
    ) AS not_asked_s
FROM summed
ORDER BY device_id;

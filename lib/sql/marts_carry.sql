-- What a UTC date leaves to the next. Needs what marts_date.sql and marts_power.sql made.

-- Grain: one device, those not heard of today included.
CREATE OR REPLACE TEMP TABLE carry AS
SELECT
    device_id, devices.device_name, segments.last_seen, segments.offline,
    segments.power_w, segments.voltage_v,
    coalesce(
        (SELECT arg_max(high_wh, event_time) FROM totals WHERE totals.device_id = segments.device_id),
        before.total_wh
    ) AS total_wh,
    coalesce(newest.event_time, before.total_at) AS total_at,
    (
        SELECT sum(epoch_us(alive_until - t)) FROM segments AS own
        WHERE own.device_id = segments.device_id
    )::BIGINT - coalesce(newest.watched_us, -before.total_watched_us) AS total_watched_us,
    coalesce(before.has_increment, false) OR EXISTS (
        FROM rows WHERE rows.device_id = segments.device_id AND kind = 'increment'
    ) AS has_increment,
    coalesce(
        (SELECT arg_max(is_on, load_start) FROM loads WHERE loads.device_id = segments.device_id),
        before.load_on
    ) AS load_on
FROM segments
JOIN devices USING (device_id)
LEFT JOIN before USING (device_id)
LEFT JOIN (
    SELECT device_id, max(event_time) AS event_time, max(watched_us) AS watched_us
    FROM totals
    GROUP BY device_id
) AS newest USING (device_id)
QUALIFY row_number() OVER (
    PARTITION BY device_id ORDER BY t DESC, tick, goes_offline DESC, quantity DESC, amount DESC
) = 1
UNION ALL BY NAME
SELECT * FROM before WHERE device_id NOT IN (SELECT device_id FROM segments)
ORDER BY device_id;

CREATE OR REPLACE TEMP TABLE carry_states AS
SELECT device_id, code, is_on::INTEGER::DOUBLE AS amount
FROM states
QUALIFY row_number() OVER (PARTITION BY device_id, code ORDER BY state_start DESC) = 1
UNION ALL
SELECT device_id, code, amount FROM before_states
WHERE (device_id, code) NOT IN (SELECT (device_id, code) FROM states)
ORDER BY device_id, code;

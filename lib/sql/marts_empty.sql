-- The shapes of what a date starts from, for the first date and for dates without rows.
CREATE OR REPLACE TEMP TABLE rows (
    device_id VARCHAR, device_name VARCHAR, event_time TIMESTAMPTZ, event_id INTEGER,
    code VARCHAR, quantity VARCHAR, kind VARCHAR, amount DOUBLE
);

CREATE OR REPLACE TEMP TABLE before (
    device_id VARCHAR, device_name VARCHAR, last_seen TIMESTAMPTZ, offline BOOLEAN,
    power_w DOUBLE, voltage_v DOUBLE,
    -- A counter's newest reading, its time, and how long the device was observed since.
    total_wh DOUBLE, total_at TIMESTAMPTZ, total_watched_us BIGINT, has_increment BOOLEAN,
    load_on BOOLEAN  -- on which side of its thresholds its power was
);

CREATE OR REPLACE TEMP TABLE held (
    device_id VARCHAR, held_start TIMESTAMPTZ, held_end TIMESTAMPTZ
);

CREATE OR REPLACE TEMP TABLE before_states (device_id VARCHAR, code VARCHAR, amount DOUBLE);

-- Wrong codes are counted by address too, and so are the companion's reports. Both tables
-- hold the last minute. Nothing waits long for these: link_attempts has a handful of rows.
SET LOCAL lock_timeout = '5s';
ALTER TABLE tributary.link_attempts ADD COLUMN address text;
CREATE INDEX link_attempts_address ON tributary.link_attempts (address, attempted_at)
    WHERE address IS NOT NULL;

CREATE TABLE tributary.report_attempts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address      text NOT NULL,
    attempted_at timestamptz NOT NULL
);
CREATE INDEX report_attempts_address ON tributary.report_attempts (address, attempted_at);
ALTER TABLE tributary.report_attempts ENABLE ROW LEVEL SECURITY;

-- The operator's lists, the newest first. Audit has its index; jobs of all kinds are
-- many, and those of one room are found by jobs_key.
CREATE INDEX jobs_backfills ON tributary.jobs (created_at DESC, id DESC) WHERE kind = 'backfill';
CREATE INDEX rooms_first_seen ON tributary.rooms (first_seen_at DESC, room_id DESC);

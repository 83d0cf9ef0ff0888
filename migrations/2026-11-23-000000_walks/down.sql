CREATE INDEX jobs_due ON tributary.jobs (kind, run_at, id) WHERE state IN ('queued', 'waiting');
DROP INDEX tributary.jobs_share, tributary.jobs_turn;
ALTER TABLE tributary.jobs DROP COLUMN turn, DROP COLUMN share;
ALTER TABLE tributary.rooms DROP COLUMN reconcile_token;
DROP TABLE tributary.walks;

DROP INDEX tributary.rooms_first_seen;
DROP INDEX tributary.jobs_backfills;

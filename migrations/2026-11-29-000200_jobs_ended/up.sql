-- Jobs that have ended, for the one who deletes them. Without backfills, of which those of
-- rooms that somebody sees are kept: each look would meet them again.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_ended ON tributary.jobs (finished_at)
    WHERE finished_at IS NOT NULL AND kind <> 'backfill';

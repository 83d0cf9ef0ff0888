-- jobs_ended and jobs_backfills are looked at instead.
DROP INDEX CONCURRENTLY IF EXISTS tributary.jobs_finished;

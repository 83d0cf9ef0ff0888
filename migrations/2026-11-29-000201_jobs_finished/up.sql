-- jobs_ended and jobs_backfills are looked at instead.
DROP INDEX CONCURRENTLY tributary.jobs_finished;

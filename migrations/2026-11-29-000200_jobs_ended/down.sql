DROP INDEX CONCURRENTLY tributary.jobs_ended;

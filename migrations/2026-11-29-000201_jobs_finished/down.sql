CREATE INDEX CONCURRENTLY jobs_finished ON tributary.jobs (finished_at) WHERE finished_at IS NOT NULL;

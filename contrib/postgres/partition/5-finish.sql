-- Deletes the table that does not serve, and what kept it up to date: after 4-swap.sql the whole one,
-- after 4-back.sql (or instead of ever swapping) the partitioned one. There is no way back from here.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f 5-finish.sql
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
BEGIN;
SET LOCAL lock_timeout = '2s';
DROP TRIGGER partition_insert ON tributary.messages;
DROP TRIGGER partition_update ON tributary.messages;
DROP TRIGGER partition_delete ON tributary.messages;
DROP TABLE IF EXISTS tributary.messages_whole, tributary.messages_partitioned, tributary.partition_progress;
DROP PROCEDURE IF EXISTS tributary.partition_copy;
DROP FUNCTION tributary.partition_mirror_to, tributary.partition_mirror;
SELECT CASE relkind WHEN 'r' THEN 'DROP FUNCTION tributary.forget_search_entries' END
FROM pg_class WHERE oid = 'tributary.messages'::regclass \gexec
COMMIT;

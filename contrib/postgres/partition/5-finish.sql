-- Deletes the table that does not serve, and what kept it up to date: after 4-swap.sql the whole one,
-- after 4-back.sql (or instead of ever swapping) the partitioned one. There is no way back from here.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f 5-finish.sql
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
BEGIN;
-- All locks at once, as in 1-prepare.sql: a foreign key goes from both of its tables.
DO $$
DECLARE
    tables text := (SELECT string_agg(DISTINCT t::text, ', ') FROM (
        SELECT oid::regclass AS t FROM pg_class WHERE relnamespace = 'tributary'::regnamespace
        AND relname IN ('messages', 'messages_whole', 'messages_partitioned')
        UNION ALL SELECT confrelid::regclass FROM pg_constraint
        WHERE conrelid = 'tributary.messages'::regclass AND contype = 'f') AS every);
BEGIN
    FOR try IN 1 .. 60 LOOP
        -- An autovacuum gives way to whoever has waited for deadlock_timeout, which is a second.
        PERFORM set_config('lock_timeout', CASE WHEN try % 10 = 0 THEN '1500ms' ELSE '500ms' END, true);
        BEGIN
            EXECUTE 'LOCK TABLE ' || tables || ' IN ACCESS EXCLUSIVE MODE';
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
    RAISE 'somebody holds messages all the time; nothing has changed';
END
$$;
DROP TRIGGER partition_insert ON tributary.messages;
DROP TRIGGER partition_update ON tributary.messages;
DROP TRIGGER partition_delete ON tributary.messages;
DROP TABLE IF EXISTS tributary.messages_whole, tributary.messages_partitioned, tributary.partition_progress;
DROP PROCEDURE IF EXISTS tributary.partition_copy;
DROP FUNCTION tributary.partition_mirror_to, tributary.partition_mirror;
SELECT CASE relkind WHEN 'r' THEN 'DROP FUNCTION tributary.forget_search_entries' END
FROM pg_class WHERE oid = 'tributary.messages'::regclass \gexec
COMMIT;

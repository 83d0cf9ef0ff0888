-- The way back from 4-swap.sql, at any time before 5-finish.sql: the whole table has had every change.
-- Then 4-swap.sql may be run again.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f 4-back.sql
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
SET statement_timeout = 0;
DO $$
DECLARE
    began timestamptz;
    it    record;
BEGIN
    IF to_regclass('tributary.messages_whole') IS NULL THEN
        RAISE 'there is no messages_whole to go back to';
    END IF;
    FOR try IN 1 .. 60 LOOP
        -- An autovacuum gives way to whoever has waited for deadlock_timeout, which is a second.
        PERFORM set_config('lock_timeout', CASE WHEN try % 10 = 0 THEN '1500ms' ELSE '500ms' END, true);
        BEGIN
            LOCK TABLE tributary.messages, tributary.messages_whole, tributary.search_entries
                IN ACCESS EXCLUSIVE MODE;
            began := clock_timestamp();
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
    IF began IS NULL THEN
        RAISE 'somebody holds messages all the time; nothing has changed';
    END IF;
    FOR it IN SELECT tgname FROM pg_trigger
              WHERE tgrelid = 'tributary.messages'::regclass AND tgname LIKE 'partition\_%' LOOP
        EXECUTE format('DROP TRIGGER %I ON tributary.messages', it.tgname);
    END LOOP;
    DROP TRIGGER forget_search_entries ON tributary.messages;
    ALTER TABLE tributary.messages RENAME TO messages_partitioned;
    ALTER TABLE tributary.messages_whole RENAME TO messages;
    FOR it IN SELECT c.relname, regexp_replace(c.relname, '^messages_', 'messages_partitioned_') AS becomes
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indrelid = 'tributary.messages_partitioned'::regclass LOOP
        EXECUTE format('ALTER INDEX tributary.%I RENAME TO %I', it.relname, it.becomes);
    END LOOP;
    FOR it IN SELECT c.relname, regexp_replace(c.relname, '^messages_whole_', 'messages_') AS becomes
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indrelid = 'tributary.messages'::regclass LOOP
        EXECUTE format('ALTER INDEX tributary.%I RENAME TO %I', it.relname, it.becomes);
    END LOOP;
    ALTER TABLE tributary.search_entries ADD CONSTRAINT search_entries_message_id_fkey
        FOREIGN KEY (message_id) REFERENCES tributary.messages ON DELETE CASCADE NOT VALID;
    PERFORM tributary.partition_mirror_to('tributary.messages', 'messages_partitioned');
    RAISE NOTICE 'back; locked for % ms', round(extract(epoch FROM clock_timestamp() - began) * 1000, 1);
END
$$;
-- Reads all entries, and lets everybody work meanwhile.
ALTER TABLE tributary.search_entries VALIDATE CONSTRAINT search_entries_message_id_fkey;

-- Lets the partitioned table be tributary.messages, and the other one go on as messages_whole. Everybody
-- waits while it holds its locks, which is some ten milliseconds; for the locks it waits half a second at a time,
-- sixty times, and lets everybody through in between. 4-back.sql is the way back.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f 4-swap.sql
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
DO $$
DECLARE
    began timestamptz;
    it    record;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'tributary.messages'::regclass) <> 'r' THEN
        RAISE 'tributary.messages is partitioned already';
    END IF;
    FOR try IN 1 .. 60 LOOP
        -- An autovacuum gives way to whoever has waited for deadlock_timeout, which is a second.
        PERFORM set_config('lock_timeout', CASE WHEN try % 10 = 0 THEN '1500ms' ELSE '500ms' END, true);
        BEGIN
            LOCK TABLE tributary.messages, tributary.messages_partitioned, tributary.search_entries
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
    IF EXISTS (SELECT attname, atttypid, attnotnull, row_number() OVER (ORDER BY attnum) FROM pg_attribute
               WHERE attrelid = 'tributary.messages'::regclass AND attnum > 0 AND NOT attisdropped
               EXCEPT
               SELECT attname, atttypid, attnotnull, row_number() OVER (ORDER BY attnum) FROM pg_attribute
               WHERE attrelid = 'tributary.messages_partitioned'::regclass AND attnum > 0 AND NOT attisdropped) THEN
        RAISE 'messages has changed since: drop messages_partitioned and begin anew';
    END IF;
    FOR it IN SELECT tgname FROM pg_trigger
              WHERE tgrelid = 'tributary.messages'::regclass AND tgname LIKE 'partition\_%' LOOP
        EXECUTE format('DROP TRIGGER %I ON tributary.messages', it.tgname);
    END LOOP;
    ALTER TABLE tributary.search_entries DROP CONSTRAINT search_entries_message_id_fkey;
    ALTER TABLE tributary.messages RENAME TO messages_whole;
    ALTER TABLE tributary.messages_partitioned RENAME TO messages;
    FOR it IN SELECT c.relname, regexp_replace(c.relname, '^messages_', 'messages_whole_') AS becomes
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indrelid = 'tributary.messages_whole'::regclass LOOP
        EXECUTE format('ALTER INDEX tributary.%I RENAME TO %I', it.relname, it.becomes);
    END LOOP;
    FOR it IN SELECT c.relname, regexp_replace(c.relname, '^messages_partitioned_', 'messages_') AS becomes
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indrelid = 'tributary.messages'::regclass LOOP
        EXECUTE format('ALTER INDEX tributary.%I RENAME TO %I', it.relname, it.becomes);
    END LOOP;
    CREATE TRIGGER forget_search_entries AFTER DELETE ON tributary.messages REFERENCING OLD TABLE AS was
        FOR EACH STATEMENT EXECUTE FUNCTION tributary.forget_search_entries();
    PERFORM tributary.partition_mirror_to('tributary.messages', 'messages_whole');
    RAISE NOTICE 'swapped; locked for % ms', round(extract(epoch FROM clock_timestamp() - began) * 1000, 1);
END
$$;

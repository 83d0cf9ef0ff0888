-- Makes tributary.messages_partitioned beside tributary.messages, and triggers that carry every
-- change of the one into the other. For its locks it waits half a second at a time, sixty times, and
-- lets everybody through in between. README.md says what comes then.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 [-v partitions=16] -f 1-prepare.sql
\if :{?partitions}
\else
\set partitions 16
\endif
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
SELECT set_config('tributary.partitions', :'partitions', false) AS partitions;

BEGIN;
-- All locks at once, before anything is done: whoever stores a message has locked some of these
-- tables already when they come to the others, so that taking one after the other could deadlock.
DO $$
DECLARE
    tables text := (SELECT string_agg(DISTINCT t::text, ', ') FROM (
        SELECT 'tributary.messages'::regclass AS t
        UNION ALL SELECT confrelid::regclass FROM pg_constraint
        WHERE conrelid = 'tributary.messages'::regclass AND contype = 'f') AS every);
BEGIN
    FOR try IN 1 .. 60 LOOP
        -- An autovacuum gives way to whoever has waited for deadlock_timeout, which is a second.
        PERFORM set_config('lock_timeout', CASE WHEN try % 10 = 0 THEN '1500ms' ELSE '500ms' END, true);
        BEGIN
            EXECUTE 'LOCK TABLE ' || tables || ' IN SHARE ROW EXCLUSIVE MODE';
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
    RAISE 'somebody writes all the time; nothing has changed';
END
$$;

-- What this knows how to move. A later release may have more.
DO $$
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'tributary.messages'::regclass) <> 'r' THEN
        RAISE 'tributary.messages is partitioned already';
    END IF;
    IF EXISTS (SELECT FROM pg_index WHERE indrelid = 'tributary.messages'::regclass AND indisunique
               AND pg_get_indexdef(indexrelid) !~ ' \((id|room_id, event_id)\)$') THEN
        RAISE 'there is a unique index that this does not know';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE confrelid = 'tributary.messages'::regclass
               AND conname <> 'search_entries_message_id_fkey') THEN
        RAISE 'there is a foreign key to messages that this does not know';
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'tributary.messages'::regclass AND NOT tgisinternal) THEN
        RAISE 'there are triggers on messages that this would lose';
    END IF;
END
$$;

CREATE TABLE tributary.messages_partitioned
    (LIKE tributary.messages INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION)
    PARTITION BY HASH (conversation_id);
-- A unique key has to have the partition's key in it. It comes last, so that whoever asks for the
-- rest alone finds the row by the index of each partition.
ALTER TABLE tributary.messages_partitioned
    ADD CONSTRAINT messages_partitioned_pkey PRIMARY KEY (id, conversation_id),
    ADD CONSTRAINT messages_partitioned_room_id_event_id_key UNIQUE (room_id, event_id, conversation_id);
DO $$
DECLARE
    it record;
    partitions integer := current_setting('tributary.partitions')::integer;
BEGIN
    FOR n IN 0 .. partitions - 1 LOOP
        EXECUTE format('CREATE TABLE tributary.messages_p%s PARTITION OF tributary.messages_partitioned
                        FOR VALUES WITH (MODULUS %s, REMAINDER %s)', lpad(n::text, 3, '0'), partitions, n);
    END LOOP;
    FOR it IN SELECT c.relname, pg_get_indexdef(c.oid) AS definition
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indrelid = 'tributary.messages'::regclass AND NOT i.indisunique LOOP
        EXECUTE regexp_replace(it.definition, 'INDEX messages_(\S+) ON tributary.messages ',
                               'INDEX messages_partitioned_\1 ON tributary.messages_partitioned ');
    END LOOP;
    FOR it IN SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
              WHERE conrelid = 'tributary.messages'::regclass AND contype = 'f' LOOP
        EXECUTE format('ALTER TABLE tributary.messages_partitioned ADD CONSTRAINT %I %s', it.conname, it.definition);
    END LOOP;
END
$$;

-- Who may do what: rights to the table and to its columns, policies, and row level security, of
-- the partitions too, which could be asked directly.
DO $$
DECLARE
    it    record;
    child record;
BEGIN
    FOR it IN SELECT a.privilege_type AS right, quote_ident(r.rolname) AS role, a.is_grantable, NULL::text AS column
              FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
              WHERE c.oid = 'tributary.messages'::regclass AND a.grantee <> c.relowner
              UNION ALL
              SELECT a.privilege_type, quote_ident(r.rolname), a.is_grantable, t.attname
              FROM pg_attribute t, aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee
              WHERE t.attrelid = 'tributary.messages'::regclass LOOP
        EXECUTE format('GRANT %s %s ON tributary.messages_partitioned TO %s %s', it.right,
                       '(' || quote_ident(it.column) || ')', it.role,
                       CASE WHEN it.is_grantable THEN 'WITH GRANT OPTION' END);
    END LOOP;
    FOR child IN SELECT 'tributary.messages_partitioned'::regclass AS oid
                 UNION ALL SELECT inhrelid::regclass FROM pg_inherits
                 WHERE inhparent = 'tributary.messages_partitioned'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', child.oid);
        FOR it IN SELECT * FROM pg_policies WHERE schemaname = 'tributary' AND tablename = 'messages' LOOP
            EXECUTE format('CREATE POLICY %I ON %s AS %s FOR %s TO %s %s %s', it.policyname, child.oid,
                           it.permissive, it.cmd,
                           (SELECT string_agg(CASE role WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(role) END, ', ')
                            FROM unnest(it.roles) AS role),
                           'USING (' || it.qual || ')', 'WITH CHECK (' || it.with_check || ')');
        END LOOP;
    END LOOP;
END
$$;

-- Brings what a statement has changed into the other table, in the same transaction. Whoever
-- copies holds the rows that it copies and passes over those that others hold, so that none is there twice.
CREATE FUNCTION tributary.partition_mirror() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        EXECUTE format('DELETE FROM tributary.%I t USING was w
                        WHERE t.id = w.id AND t.conversation_id = w.conversation_id', TG_ARGV[0]);
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        EXECUTE format('INSERT INTO tributary.%I SELECT * FROM now', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION tributary.partition_mirror_to(source regclass, target text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER partition_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS now
                    FOR EACH STATEMENT EXECUTE FUNCTION tributary.partition_mirror(%L)', source, target);
    EXECUTE format('CREATE TRIGGER partition_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS was NEW TABLE AS now
                    FOR EACH STATEMENT EXECUTE FUNCTION tributary.partition_mirror(%L)', source, target);
    EXECUTE format('CREATE TRIGGER partition_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS was
                    FOR EACH STATEMENT EXECUTE FUNCTION tributary.partition_mirror(%L)', source, target);
END
$$;
SELECT tributary.partition_mirror_to('tributary.messages', 'messages_partitioned');

-- What the foreign key of search_entries did: a key of messages.id alone cannot be any more.
CREATE FUNCTION tributary.forget_search_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM tributary.search_entries e USING was w WHERE e.message_id = w.id;
    RETURN NULL;
END
$$;

-- How far 2-copy.sql has got.
CREATE TABLE tributary.partition_progress (after_id uuid);
INSERT INTO tributary.partition_progress VALUES ('00000000-0000-0000-0000-000000000000');
ALTER TABLE tributary.partition_progress ENABLE ROW LEVEL SECURITY;
COMMIT;

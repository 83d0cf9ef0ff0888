-- Copies what is there, in transactions of `batch` messages with `pause` seconds in between. It
-- waits for nobody; a push that changes one of these messages waits for a batch at most. Can be
-- broken off and started again, and run again at any time before the swap.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 [-v batch=2000] [-v pause=0.05] -f 2-copy.sql
\if :{?batch}
\else
\set batch 2000
\endif
\if :{?pause}
\else
\set pause 0.05
\endif
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
SET statement_timeout = 0;

CREATE OR REPLACE PROCEDURE tributary.partition_copy(batch integer, pause float8) LANGUAGE plpgsql AS $$
DECLARE
    place uuid;
    few   uuid[];
BEGIN
    LOOP
        SELECT p.after_id INTO STRICT place FROM tributary.partition_progress p;
        WITH next AS MATERIALIZED (
            SELECT m.* FROM tributary.messages m WHERE m.id > place ORDER BY m.id LIMIT batch
            FOR SHARE SKIP LOCKED
        ), copied AS (
            INSERT INTO tributary.messages_partitioned SELECT * FROM next ON CONFLICT DO NOTHING
        )
        SELECT n.id INTO place FROM next n ORDER BY n.id DESC LIMIT 1;
        EXIT WHEN place IS NULL;
        UPDATE tributary.partition_progress SET after_id = place;
        COMMIT;
        PERFORM pg_sleep(pause);
    END LOOP;
    COMMIT;
    -- What somebody held meanwhile, and did not change after all.
    LOOP
        few := ARRAY(SELECT m.id FROM tributary.messages m WHERE NOT EXISTS (
            SELECT FROM tributary.messages_partitioned n
            WHERE n.id = m.id AND n.conversation_id = m.conversation_id) LIMIT batch);
        EXIT WHEN few = '{}';
        WITH next AS MATERIALIZED (
            SELECT m.* FROM tributary.messages m WHERE m.id = ANY(few) FOR SHARE SKIP LOCKED
        )
        INSERT INTO tributary.messages_partitioned SELECT * FROM next ON CONFLICT DO NOTHING;
        COMMIT;
        PERFORM pg_sleep(pause);
    END LOOP;
END
$$;
CALL tributary.partition_copy(:batch, :pause);
-- Nobody does it for a partitioned table: autovacuum looks at the partitions alone.
ANALYZE tributary.messages_partitioned;

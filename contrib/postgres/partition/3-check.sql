-- Compares both tables, in one statement and so at one instant, while they are written to: how many
-- rows, and the sum of a hash of each. Ends with an error when they differ. Needed before either swap.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f 3-check.sql
SELECT format('SET ROLE %I', tableowner) FROM pg_tables
WHERE schemaname = 'tributary' AND tablename = 'messages' \gexec
SET statement_timeout = 0;
SELECT CASE WHEN to_regclass('tributary.messages_whole') IS NULL
            THEN 'messages_partitioned' ELSE 'messages_whole' END AS other \gset
WITH serves AS MATERIALIZED (
    SELECT count(*) AS rows, coalesce(sum(hashtextextended(m::text, 0)), 0) AS digest FROM tributary.messages m
), beside AS MATERIALIZED (
    SELECT count(*) AS rows, coalesce(sum(hashtextextended(m::text, 0)), 0) AS digest FROM tributary.:"other" m
)
SELECT s.rows, s.digest, b.rows AS rows_beside, b.digest AS digest_beside,
       (s.rows, s.digest) = (b.rows, b.digest) AS are_the_same
FROM serves s, beside b \gset
\echo 'messages:' :rows 'rows,' :digest
\echo :other':' :rows_beside 'rows,' :digest_beside
\if :are_the_same
\echo they are the same
\else
DO $$ BEGIN RAISE 'they differ'; END $$;
\endif

-- Two roles: one that owns the schema and migrates it, for database.direct_url, and one that
-- reads and writes rows and nothing else, for database.url.
--
--     psql "$ADMIN_DATABASE_URL" -v ON_ERROR_STOP=1 -v owner_password=... -v app_password=... -f roles.sql
--
-- in Tributary's database, as a superuser (or somebody else who may grant BYPASSRLS), before the
-- first start. docs/postgres.md says what to do in a database that Tributary has used already.
CREATE ROLE tributary_owner LOGIN PASSWORD :'owner_password' NOSUPERUSER NOBYPASSRLS;
GRANT CREATE ON DATABASE :"DBNAME" TO tributary_owner;          -- its schema
GRANT USAGE, CREATE ON SCHEMA public TO tributary_owner;        -- the table that says which migrations ran

-- The tables have row level security and no policy, so whoever does not own them sees no row
-- without BYPASSRLS. It is not the right to change them: that takes owning them.
CREATE ROLE tributary_app LOGIN PASSWORD :'app_password' NOSUPERUSER BYPASSRLS NOINHERIT;

-- What the program sets for each session where it has sessions of its own. Behind a transaction
-- pooler it has none, and these are in force all the same.
ALTER ROLE tributary_app SET statement_timeout = '30s';
ALTER ROLE tributary_app SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE tributary_app SET plan_cache_mode = force_custom_plan;
ALTER ROLE tributary_app SET jit = off;
ALTER ROLE tributary_app SET timezone = 'UTC';

-- Of everything that the owner makes, now and in later migrations. (A superuser may set this for
-- others; anybody else has to be a member of tributary_owner.)
ALTER DEFAULT PRIVILEGES FOR ROLE tributary_owner GRANT USAGE ON SCHEMAS TO tributary_app;
ALTER DEFAULT PRIVILEGES FOR ROLE tributary_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tributary_app;
ALTER DEFAULT PRIVILEGES FOR ROLE tributary_owner GRANT USAGE, SELECT ON SEQUENCES TO tributary_app;

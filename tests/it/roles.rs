//! What other roles of the database see: nothing. A Supabase project serves every schema it
//! is told of to whoever holds the public `anon` key; row level security without a policy is
//! what stands between.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use tributary::db;
use url::Url;

use crate::support::postgres::TestDatabase;

/// A database with a row in every table, and a role that may try everything on them.
struct Stage {
    conn: AsyncPgConnection,
    role: String,
    database: TestDatabase,
}

impl Stage {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let conn = AsyncPgConnection::establish(database.url.expose_secret())
            .await
            .unwrap();
        let role = format!("anon_{}", tributary::model::new_id().simple());
        let mut stage = Self {
            conn,
            role: role.clone(),
            database,
        };
        stage.run(&format!("CREATE ROLE {role}")).await;
        stage
    }

    /// As Supabase does in a schema that it serves.
    async fn grant(&mut self) {
        let role = &self.role;
        let grants = format!(
            "GRANT USAGE ON SCHEMA tributary TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tributary TO {role};
             GRANT ALL ON ALL SEQUENCES IN SCHEMA tributary TO {role};
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tributary TO {role}"
        );
        self.run(&grants).await;
    }

    async fn run(&mut self, sql: &str) {
        self.conn.batch_execute(sql).await.expect(sql);
    }

    async fn texts(&mut self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            t: String,
        }
        let rows: Vec<Row> = sql_query(sql).load(&mut self.conn).await.expect(sql);
        rows.into_iter().map(|row| row.t).collect()
    }

    async fn count(&mut self, table: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let row: Row = sql_query(&sql)
            .get_result(&mut self.conn)
            .await
            .expect(&sql);
        row.n
    }

    async fn tables(&mut self) -> Vec<String> {
        let tables = self
            .texts(
                "SELECT c.oid::regclass::text AS t FROM pg_class c
                 WHERE c.relnamespace = 'tributary'::regnamespace AND c.relkind IN ('r', 'p')
                 ORDER BY 1",
            )
            .await;
        assert!(tables.len() >= 20, "{tables:?}");
        tables
    }

    /// Puts a row into every table, whatever its columns are, and returns how.
    async fn fill(&mut self) -> Vec<(String, String)> {
        let constraints = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE',
                                         conrelid::regclass, conname) AS t
                           FROM pg_constraint
                           WHERE connamespace = 'tributary'::regnamespace AND contype IN ('c', 'f')";
        for drop in self.texts(constraints).await {
            self.run(&drop).await;
        }
        self.run("SET session_replication_role = replica").await;
        let mut filled = Vec::new();
        for table in self.tables().await {
            let [columns, values] = self.columns(&table).await;
            let insert = format!("INSERT INTO {table} ({columns}) VALUES ({values})");
            // Those that migrations fill have what they need.
            if self.count(&table).await == 0 {
                self.run(&insert).await;
            }
            filled.push((table, insert));
        }
        filled
    }

    /// The columns of a table that want a value, and one for each.
    async fn columns(&mut self, table: &str) -> [String; 2] {
        let value = "CASE format_type(a.atttypid, NULL)
                WHEN 'uuid' THEN 'gen_random_uuid()'
                WHEN 'timestamp with time zone' THEN 'now()'
                WHEN 'boolean' THEN 'true'
                WHEN 'bytea' THEN '''\\x00'''
                WHEN 'jsonb' THEN '''{}'''
                WHEN 'text[]' THEN '''{}'''
                ELSE '''1''' END";
        let column = "quote_ident(a.attname)";
        let mut lists = Vec::new();
        for item in [column, value] {
            let sql = format!(
                "SELECT string_agg({item}, ', ' ORDER BY a.attnum) AS t FROM pg_attribute a
                 WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped
                   AND a.attgenerated = '' AND a.attidentity = ''"
            );
            lists.extend(self.texts(&sql).await);
        }
        lists.try_into().unwrap()
    }

    async fn end(mut self) {
        let role = &self.role;
        let sql = format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}");
        self.run(&sql).await;
        drop(self.conn);
        drop(self.database);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_like_anon_neither_reads_nor_writes() {
    let mut stage = Stage::new().await;
    let filled = stage.fill().await;
    stage.grant().await;
    let role = stage.role.clone();
    stage.run(&format!("SET ROLE {role}")).await;
    for (table, insert) in &filled {
        assert_eq!(stage.count(table).await, 0, "{table} shows its rows");
        let refused = stage.conn.batch_execute(insert).await.unwrap_err();
        let expected = "violates row-level security policy";
        assert!(refused.to_string().contains(expected), "{table}: {refused}");
        let column = stage.columns(table).await[0].clone();
        let column = column.split(", ").next().unwrap().to_owned();
        for change in [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
        ] {
            let changed = sql_query(&change).execute(&mut stage.conn).await;
            assert_eq!(changed.expect(&change), 0, "{change}");
        }
        // Row level security knows nothing of TRUNCATE: it takes a grant of its own.
        let truncate = format!("TRUNCATE {table} CASCADE");
        assert!(stage.conn.batch_execute(&truncate).await.is_err());
    }
    stage.run("RESET ROLE").await;
    for (table, _) in &filled {
        assert!(stage.count(table).await > 0, "{table} is empty");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_granted_nothing_does_not_get_into_the_schema() {
    let mut stage = Stage::new().await;
    let tables = stage.tables().await;
    let role = stage.role.clone();
    stage.run(&format!("SET ROLE {role}")).await;
    for table in tables {
        let read = format!("SELECT FROM {table}");
        let refused = stage.conn.batch_execute(&read).await.unwrap_err();
        assert!(
            refused.to_string().contains("permission denied for schema"),
            "{refused}"
        );
    }
    stage.end().await;
}

/// What SECURITY.md asks for, and not more: neither a superuser nor one whom row level
/// security does not hold. It owns what it migrates, so it sees its rows.
#[tokio::test(flavor = "multi_thread")]
async fn the_application_role_needs_no_more_than_a_schema_of_its_own() {
    let mut stage = Stage::new().await;
    let role = stage.role.clone();
    stage
        .run(&format!(
            "DROP SCHEMA tributary CASCADE; DROP TABLE public.__diesel_schema_migrations;
             ALTER ROLE {role} LOGIN PASSWORD 'x' NOSUPERUSER NOBYPASSRLS NOCREATEROLE;
             GRANT USAGE, CREATE ON SCHEMA public TO {role}"
        ))
        .await;
    let mut names = stage.texts("SELECT current_database()::text AS t").await;
    let database = names.remove(0);
    stage
        .run(&format!("GRANT CREATE ON DATABASE {database} TO {role}"))
        .await;
    let mut url: Url = stage.database.url.expose_secret().parse().unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("x")).unwrap();
    let url = SecretString::from(url.to_string());
    assert!(!db::migrate(&url).await.unwrap().is_empty());
    assert_eq!(db::migrate(&url).await.unwrap(), Vec::<String>::new());
    stage.run(&format!("SET ROLE {role}")).await;
    assert_eq!(stage.count("tributary.installation").await, 1);
    stage.end().await;
}

/// Policies, and what passes by row level security: views, functions with their owner's
/// rights, and sequences, which it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_schema_leads_around_row_level_security() {
    let mut stage = Stage::new().await;
    for (what, sql) in [
        (
            "a table without row level security",
            "SELECT relname::text AS t FROM pg_class
             WHERE relnamespace = 'tributary'::regnamespace AND relkind IN ('r', 'p')
               AND NOT relrowsecurity",
        ),
        ("a policy", "SELECT polname::text AS t FROM pg_policy"),
        (
            "a view, a sequence or a foreign table",
            "SELECT relname::text AS t FROM pg_class
             WHERE relnamespace = 'tributary'::regnamespace AND relkind IN ('v', 'm', 'S', 'f')
               -- They number what is counted; their last value says how many there were.
               AND relname NOT IN ('link_attempts_id_seq', 'report_attempts_id_seq')",
        ),
        (
            "a function with its owner's rights",
            "SELECT proname::text AS t FROM pg_proc
             WHERE pronamespace = 'tributary'::regnamespace AND prosecdef",
        ),
        (
            "a grant to everybody",
            "SELECT relname::text AS t FROM pg_class c, aclexplode(c.relacl) AS a
             WHERE c.relnamespace = 'tributary'::regnamespace AND a.grantee = 0",
        ),
        (
            "a table elsewhere",
            "SELECT tablename::text AS t FROM pg_tables
             WHERE schemaname NOT IN ('tributary', 'pg_catalog', 'information_schema')
               AND tablename <> '__diesel_schema_migrations'",
        ),
    ] {
        let found = stage.texts(sql).await;
        assert!(found.is_empty(), "{what}: {found:?}");
    }
    stage.end().await;
}

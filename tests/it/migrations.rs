//! The migrations: forwards, backwards, at once, and what they leave behind.

use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, SimpleAsyncConnection as _};
use diesel_migrations::MigrationHarness as _;
use secrecy::{ExposeSecret as _, SecretString};
use tributary::db::{self, Connection, migrate::MIGRATIONS};

use crate::support::{postgres::TestDatabase, world::count};

async fn empty() -> TestDatabase {
    let database = TestDatabase::new().await;
    let mut conn = database.pool().get().await.unwrap();
    conn.batch_execute(
        "DROP SCHEMA tributary CASCADE; DROP TABLE public.__diesel_schema_migrations",
    )
    .await
    .unwrap();
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_start_at_once_take_turns() {
    let database = empty().await;
    let (one, other) = tokio::join!(db::migrate(&database.url), db::migrate(&database.url));
    let applied = [one.unwrap().len(), other.unwrap().len()];
    assert!(
        applied.contains(&0) && applied.iter().sum::<usize>() > 0,
        "{applied:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_migration_can_be_taken_back_and_applied_again() {
    let database = TestDatabase::new().await;
    let url = database.url.expose_secret().to_owned();
    let conn = Connection::establish(&url).await.unwrap();
    let mut harness = AsyncMigrationHarness::new(conn);
    harness.revert_all_migrations(MIGRATIONS).unwrap();
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'tributary'";
    assert_eq!(count(&database.pool(), left).await, 0);
    db::migrate(&database.url).await.unwrap();
    assert_eq!(count(&database.pool(), left).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_row_level_security_and_no_policy() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let open = "SELECT count(*) FROM pg_tables WHERE schemaname = 'tributary' AND NOT rowsecurity";
    assert_eq!(count(&pool, open).await, 0);
    assert_eq!(count(&pool, "SELECT count(*) FROM pg_policies").await, 0);
    let strays = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'
                  AND tablename <> '__diesel_schema_migrations'";
    assert_eq!(count(&pool, strays).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_key_has_an_index_that_leads_with_it() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let bare = "SELECT count(*) FROM pg_constraint k
                WHERE k.contype = 'f' AND k.connamespace = 'tributary'::regnamespace
                  AND NOT EXISTS (SELECT 1 FROM pg_index i
                                  WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])";
    assert_eq!(count(&pool, bare).await, 0);
}

/// A role named like the schema has it first on its `search_path`, as soon as it exists.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_start_finds_what_the_first_one_applied() {
    let database = TestDatabase::new().await;
    let url = database.url.expose_secret();
    let separator = if url.contains('?') { '&' } else { '?' };
    let options = "options=-csearch_path%3Dtributary%2Cpublic";
    let url = SecretString::from(format!("{url}{separator}{options}"));

    assert_eq!(db::migrate(&url).await.unwrap(), Vec::<String>::new());

    let pool = db::Database::new(&url, 1).unwrap();
    let mut conn = pool.get().await.unwrap();
    assert!(db::migrate::is_current(&mut conn).await.unwrap());
}

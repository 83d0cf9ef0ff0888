//! The migrations: forwards, backwards, at once, and what they leave behind.

use std::time::Duration;

use diesel::migration::MigrationSource;
use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, SimpleAsyncConnection as _};
use diesel_migrations::MigrationHarness as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinHandle;
use tributary::db::{self, Connection, migrate::MIGRATIONS};

use crate::support::{
    eventually,
    postgres::TestDatabase,
    world::{count, somebody_waits_for},
};

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

/// A database as it was before this table was made, and where it is.
async fn before(table: &str) -> (TestDatabase, String) {
    let database = TestDatabase::new().await;
    let url = database.url.expose_secret().to_owned();
    let mut harness = AsyncMigrationHarness::new(Connection::establish(&url).await.unwrap());
    let pool = database.pool();
    let is_later = format!("SELECT count(*) FROM pg_class WHERE relname = '{table}'");
    while count(&pool, &is_later).await > 0 {
        harness.revert_last_migration(MIGRATIONS).unwrap();
    }
    (database, url)
}

/// Migrates while somebody reads what a migration wants to change.
async fn migrate_behind_a_reader(
    database: &TestDatabase,
    url: &str,
) -> (Connection, JoinHandle<anyhow::Result<Vec<String>>>) {
    let mut reader = Connection::establish(url).await.unwrap();
    reader
        .batch_execute("BEGIN; SELECT count(*) FROM tributary.rooms")
        .await
        .unwrap();
    let url = database.url.clone();
    (reader, tokio::spawn(async move { db::migrate(&url).await }))
}

/// Everybody else who wants a table queues behind a migration that waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_behind_a_long_read_lets_others_pass() {
    let (database, url) = before("walks").await;
    let pool = database.pool();
    let (mut reader, migrated) = migrate_behind_a_reader(&database, &url).await;
    somebody_waits_for(&pool, "rooms").await;
    let mut writer = Connection::establish(&url).await.unwrap();
    let write = "INSERT INTO tributary.rooms (room_id) VALUES ('!r')";
    let written = tokio::time::timeout(Duration::from_secs(30), writer.batch_execute(write)).await;
    written.expect("it waits behind the migration").unwrap();
    assert!(!migrated.is_finished());
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(!migrated.await.unwrap().unwrap().is_empty());
}

/// Such a limit is for whoever serves, who may be the same role.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_may_take_longer_than_a_statement_may() {
    let (database, url) = before("walks").await;
    let pool = database.pool();
    let limit = "DO $$ BEGIN EXECUTE
        format('ALTER DATABASE %I SET statement_timeout = %L', current_database(), '1500ms'); END $$";
    pool.get()
        .await
        .unwrap()
        .batch_execute(limit)
        .await
        .unwrap();
    let (mut reader, migrated) = migrate_behind_a_reader(&database, &url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '1600 ms'";
    eventually("the migration does not wait for so long", async || {
        (count(&pool, waits).await > 0).then_some(())
    })
    .await;
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(!migrated.await.unwrap().unwrap().is_empty());
}

/// A transaction that has what a migration wants next may want what the migration has.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_deadlocks_is_tried_again() {
    let (database, url) = before("former_people").await;
    let pool = database.pool();
    let mut other = Connection::establish(&url).await.unwrap();
    // The migration is the one that notices.
    let first = "SET deadlock_timeout = '1min'; BEGIN;
                 LOCK TABLE tributary.participants IN ROW EXCLUSIVE MODE";
    other.batch_execute(first).await.unwrap();
    let migrated = tokio::spawn({
        let url = database.url.clone();
        async move { db::migrate(&url).await }
    });
    somebody_waits_for(&pool, "participants").await;
    let then = "SELECT count(*) FROM tributary.conversation_access; COMMIT";
    other.batch_execute(then).await.unwrap();
    assert!(!migrated.await.unwrap().unwrap().is_empty());
}

/// A crash may come between a migration that is in no transaction and the row that says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_no_transaction_can_be_applied_twice() {
    let database = TestDatabase::new().await;
    let known = MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS).unwrap();
    let alone = known
        .iter()
        .filter(|migration| !migration.metadata().run_in_transaction());
    let alone: Vec<_> = alone
        .map(|migration| migration.name().version().to_string())
        .collect();
    assert!(!alone.is_empty());
    let forget = format!(
        "DELETE FROM public.__diesel_schema_migrations WHERE version IN ('{}')",
        alone.join("', '")
    );
    let mut conn = database.pool().get().await.unwrap();
    conn.batch_execute(&forget).await.unwrap();
    assert_eq!(db::migrate(&database.url).await.unwrap(), alone);
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

/// What an older version kept of edits of edits goes with the migration that ends it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_see_goes_from_a_database_that_kept_it() {
    const ABOUT_EDITS: &str = "20261122000000";
    let database = TestDatabase::new().await;
    let url = database.url.expose_secret().to_owned();
    let conn = Connection::establish(&url).await.unwrap();
    let mut harness = AsyncMigrationHarness::new(conn);
    while harness
        .revert_last_migration(MIGRATIONS)
        .unwrap()
        .to_string()
        != ABOUT_EDITS
    {}
    let pool = database.pool();
    pool.get().await.unwrap().batch_execute(KEPT).await.unwrap();
    db::migrate(&database.url).await.unwrap();
    for (sql, left) in [
        ("tributary.message_versions WHERE content IS NULL", 1),
        ("tributary.message_versions WHERE body = 'two'", 1),
        ("tributary.reactions WHERE key = 'a'", 1),
        ("tributary.reactions", 1),
        ("tributary.attachments", 1),
        ("tributary.media WHERE mxc = 'mxc://a/shown'", 1),
        ("tributary.media", 1),
        ("tributary.dead_letters WHERE target_event_id = '$other'", 1),
        (
            "tributary.dead_letters WHERE event_id IN ('$nul', '$deep')",
            2,
        ),
        ("tributary.dead_letters", 3),
    ] {
        let sql = format!("SELECT count(*) FROM {sql}");
        assert_eq!(count(&pool, &sql).await, left, "{sql}");
    }
}

/// `$e` edits `$m`, `$f` edits `$e`.
const KEPT: &str = r#"
    INSERT INTO tributary.rooms (room_id) VALUES ('!r');
    INSERT INTO tributary.message_versions
        (room_id, event_id, target_event_id, sender, event_type, type, body, content, origin_server_ts,
         timestamp, received_at)
    SELECT '!r', e, t, '@a:b', 'm.room.message', 'm.text', body, '{}', 0, now(), now()
    FROM (VALUES ('$e', '$m', 'two'), ('$f', '$e', 'three'), ('$m', '$m', 'one')) AS v(e, t, body);
    INSERT INTO tributary.reactions
        (room_id, event_id, target_event_id, sender, key, origin_server_ts, timestamp, received_at)
    SELECT '!r', e, t, '@a:b', key, 0, now(), now()
    FROM (VALUES ('$x', '$m', 'a'), ('$y', '$e', 'b')) AS v(e, t, key);
    INSERT INTO tributary.media (mxc) VALUES ('mxc://a/shown'), ('mxc://a/gone');
    INSERT INTO tributary.attachments (room_id, event_id, target_event_id, media_id, kind)
    SELECT '!r', e, t, (SELECT id FROM tributary.media WHERE mxc = m), 'file'
    FROM (VALUES ('$e', '$m', 'mxc://a/shown'), ('$f', '$e', 'mxc://a/gone')) AS v(e, t, m);
    INSERT INTO tributary.redactions (room_id, event_id, redacts, sender, origin_server_ts, timestamp)
    VALUES ('!r', '$r', '$gone', '@a:b', 0, now());
    INSERT INTO tributary.dead_letters (id, room_id, event_id, raw, error)
    SELECT tributary.uuid_v7(), '!r', e, raw, 'x'
    FROM (VALUES
        ('$1', '{"content": {"m.relates_to": {"rel_type": "m.replace", "event_id": "$gone"}}}'),
        ('$2', '{"content": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$e"}}}'),
        ('$3', '{"content": {"m.relates_to": {"rel_type": "m.replace", "event_id": "$other"}, "x": 1e400}}'),
        ('$4', '{"content": {"m.relates_to": {"rel_type": "m.replace", "event_id": "$gone"}, "x": '
            || repeat('[', 100000) || repeat(']', 100000) || '}}'),
        ('$5', '{"content": {"body": "\u0000", "m.relates_to": {"rel_type": "m.replace", "event_id": "$gone"}}}'),
        ('$nul', '{"content": {"m.relates_to": {"rel_type": "m.replace", "event_id": "\u0000"}}}'),
        ('$deep', repeat('[', 100000))) AS v(e, raw)"#;

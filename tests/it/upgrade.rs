//! From the first release to this one, with data in every table, forwards and back.

use std::collections::BTreeMap;

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::{
    AsyncConnection as _, AsyncMigrationHarness, RunQueryDsl as _, SimpleAsyncConnection as _,
};
use diesel_migrations::MigrationHarness as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tributary::db::{self, Connection, migrate::MIGRATIONS};

use crate::support::{
    app::TestApp,
    postgres::TestDatabase,
    world::{count, text},
};

const FIRST_RELEASE: &str = include_str!("fixtures/first_release.sql");

/// A database as the first release left it, and who migrates it.
struct Stage {
    database: TestDatabase,
    harness: AsyncMigrationHarness<Connection>,
}

impl Stage {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let url = database.url.expose_secret().to_owned();
        let conn = Connection::establish(&url).await.unwrap();
        let mut harness = AsyncMigrationHarness::new(conn);
        harness.revert_all_migrations(MIGRATIONS).unwrap();
        harness.run_next_migration(MIGRATIONS).unwrap();
        let mut conn = database.pool().get().await.unwrap();
        conn.batch_execute(FIRST_RELEASE).await.unwrap();
        Self { database, harness }
    }

    /// How many rows each table has.
    async fn rows(&self) -> BTreeMap<String, i64> {
        #[derive(QueryableByName)]
        struct Table {
            #[diesel(sql_type = Text)]
            name: String,
        }
        let pool = self.database.pool();
        let tables: Vec<Table> = sql_query(
            "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'tributary'",
        )
        .load(&mut pool.get().await.unwrap())
        .await
        .unwrap();
        let mut rows = BTreeMap::new();
        for Table { name } in tables {
            let sql = format!("SELECT count(*) FROM tributary.{name}");
            rows.insert(name, count(&pool, &sql).await);
        }
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_first_release_had_is_shown_and_goes_on() {
    let stage = Stage::new().await;
    let before = stage.rows().await;
    let empty: Vec<_> = before.iter().filter(|(_, rows)| **rows == 0).collect();
    assert!(empty.is_empty(), "the fixture has nothing of {empty:?}");
    assert!(!db::migrate(&stage.database.url).await.unwrap().is_empty());
    let after = stage.rows().await;
    for (table, rows) in &before {
        assert!(after[table] >= *rows, "{table} has lost rows");
    }

    let app = TestApp::on(stage.database).await;
    let list = app.get("user_alice", "/api/conversations").await.json();
    let chat = &list["items"][0];
    assert_eq!(
        (&chat["title"], &chat["unreadCount"]),
        (&"Carol".into(), &1.into())
    );
    assert_eq!(chat["lastMessage"]["body"], "newest");
    app.push_events(
        "2",
        &[text("!dm", "$after", "@facebook_2001:lab.local", "after")],
    )
    .await;
    let path = format!(
        "/api/conversations/{}/messages",
        chat["id"].as_str().unwrap()
    );
    let messages = app.get("user_alice", &path).await.json();
    let shown = messages["items"].as_array().unwrap().iter();
    let shown: Vec<_> = shown
        .map(|m| m["body"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, ["after", "newest", "", "grüße"]);
    let found = app
        .get("user_alice", "/api/search?q=gr%C3%BC%C3%9Fe")
        .await
        .json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    let status = app.get("user_alice", "/api/messenger/status").await.json();
    assert_eq!(status["status"], Value::from("CONNECTED"));
}

/// Each one on its own: what comes after it may not know what it took away.
#[tokio::test(flavor = "multi_thread")]
async fn every_migration_can_be_taken_back_with_data_in_it() {
    let mut stage = Stage::new().await;
    let first = stage.rows().await;
    while stage.harness.has_pending_migration(MIGRATIONS).unwrap() {
        let before = stage.rows().await;
        let applied = stage
            .harness
            .run_next_migration(MIGRATIONS)
            .unwrap()
            .to_string();
        let reverted = stage
            .harness
            .revert_last_migration(MIGRATIONS)
            .unwrap()
            .to_string();
        assert_eq!(reverted, applied);
        assert_eq!(
            stage.rows().await,
            before,
            "{applied} has lost rows on its way back"
        );
        stage.harness.run_next_migration(MIGRATIONS).unwrap();
    }
    let last = stage.rows().await;
    for (table, rows) in &first {
        assert!(last[table] >= *rows, "{table} has lost rows");
    }
}

//! `/api/admin`.

mod calls;
mod dead_letters;
mod doors;

use diesel::{QueryableByName, sql_query, sql_types::Jsonb};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;

use crate::api::app::TestApp;

/// The rows of a query, each as an object.
async fn rows(app: &TestApp, sql: &str) -> Vec<Value> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Jsonb)]
        row: Value,
    }
    let mut conn = app.app.db.get().await.unwrap();
    let rows: Vec<Row> = sql_query(format!("SELECT to_jsonb(t) AS row FROM ({sql}) AS t"))
        .load(&mut conn)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.row).collect()
}

/// What the audit says, oldest first.
async fn audit(app: &TestApp) -> Vec<Value> {
    let sql =
        "SELECT actor, action, target, origin, outcome, details FROM tributary.audit ORDER BY id";
    rows(app, sql).await
}

async fn execute(app: &TestApp, sql: &str) {
    let mut conn = app.app.db.get().await.unwrap();
    sql_query(sql).execute(&mut conn).await.unwrap();
}

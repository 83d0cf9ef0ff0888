//! `/api/admin`.

mod audit;
mod backfill;
mod calls;
mod connections;
mod dead_letters;
mod doors;
mod rooms;

use diesel::{QueryableByName, sql_query, sql_types::Jsonb};
use diesel_async::RunQueryDsl as _;
use reqwest::Method;
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

/// What the audit says of calls, oldest first.
async fn audit(app: &TestApp) -> Vec<Value> {
    let sql = "SELECT actor, action, target, origin, outcome, details FROM tributary.audit
         WHERE actor <> 'tributary' ORDER BY id";
    rows(app, sql).await
}

/// Every item of a list, two by two; `query` is what narrows it.
async fn listed(app: &TestApp, path: &str, query: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{path}?limit=2&{query}{cursor}");
        let answer = app.admin(Method::GET, &path).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
        let page = answer.json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// One field of each item.
fn each<'a>(items: &'a [Value], field: &str) -> Vec<&'a str> {
    items
        .iter()
        .map(|item| item[field].as_str().unwrap())
        .collect()
}

/// The names of an item's fields.
fn fields(item: &Value) -> Vec<&str> {
    let mut fields: Vec<_> = item
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    fields
}

/// What was refused, and how.
async fn refused(app: &TestApp, method: Method, path: &str, body: &Value, status: u16) {
    let answer = app.admin_with(method, path, body).await;
    assert_eq!(answer.status, status, "{path} {body} {}", answer.text);
    answer.code();
}

async fn execute(app: &TestApp, sql: &str) {
    let mut conn = app.app.db.get().await.unwrap();
    sql_query(sql).execute(&mut conn).await.unwrap();
}

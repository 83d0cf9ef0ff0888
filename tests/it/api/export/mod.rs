//! `/api/export`.

mod get;
mod import;
mod reader;
mod schema;

use serde_json::Value;

use crate::api::app::{Answer, TestApp};

pub(super) const PATH: &str = "/api/export";

pub(super) fn lines(text: &str) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(line).collect()
}

/// A whole export, which has its end.
pub(super) async fn whole(app: &TestApp, user: &str) -> Vec<Value> {
    let answer = app.get(user, PATH).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = lines(&answer.text);
    assert_eq!(lines.last().unwrap()["type"], "end");
    lines
}

/// An export that goes on behind a line.
pub(super) async fn behind(app: &TestApp, user: &str, line: &Value) -> Answer {
    let cursor = line["cursor"].as_str().unwrap();
    app.get(user, &format!("{PATH}?cursor={cursor}")).await
}

//! How Tributary says it is.

use std::sync::Arc;

use axum::{body::Body, http};
use diesel_async::SimpleAsyncConnection as _;
use reqwest::Method;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::api::app::{Answer, TestApp};

async fn ask(app: &TestApp, path: &str) -> (u16, Value) {
    let answer = Answer::of(app.request(Method::GET, path)).await;
    (answer.status, answer.json())
}

async fn sql(app: &TestApp, sql: &str) {
    let mut conn = app.app.db.get().await.unwrap();
    conn.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well() {
    let app = TestApp::start().await;
    let expected = json!({
        "ok": true, "version": env!("CARGO_PKG_VERSION"), "db": "ok", "clerk": "ok",
        "homeserver": "ok", "sync": "IDLE", "lastTransactionAt": null,
    });
    assert_eq!(ask(&app, "/healthz").await, (200, expected));
    assert_eq!(ask(&app, "/livez").await, (200, json!({"ok": true})));
    assert_eq!(ask(&app, "/readyz").await, (200, json!({"ready": true})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_is_down_makes_nobody_restart_tributary() {
    let app = TestApp::start().await;
    app.app.health.homeserver_missed();
    let (status, health) = ask(&app, "/healthz").await;
    assert_eq!((status, &health["homeserver"]), (200, &json!("down")));
    assert_eq!(app.push("1", r#"{"events":[]}"#).await.status, 200);
    let (_, health) = ask(&app, "/healthz").await;
    assert_eq!(health["homeserver"], "ok");
    assert!(health["lastTransactionAt"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_remembers_the_last_transaction_across_a_restart() {
    let app = TestApp::start().await;
    let row =
        "INSERT INTO tributary.transactions (transaction_id, digest, event_count, received_at)
               VALUES ('1', '', 1, '2026-01-02T03:04:05.678Z')";
    sql(&app, row).await;
    let (_, health) = ask(&app, "/healthz").await;
    assert_eq!(health["lastTransactionAt"], "2026-01-02T03:04:05.678Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_seen() {
    let app = TestApp::start().await;
    for (state, run_at, sync) in [
        ("queued", "1 hour", "IDLE"),
        ("queued", "0 seconds", "SYNCING"),
        ("waiting", "1 hour", "SYNCING"),
        ("queued", "-61 seconds", "BEHIND"),
        ("done", "-1 hour", "IDLE"),
    ] {
        let id = tributary::model::new_id();
        sql(
            &app,
            &format!(
                "DELETE FROM tributary.jobs;
                 INSERT INTO tributary.jobs (id, kind, key, state, run_at)
                 VALUES ('{id}', 'x', 'x', '{state}', now() + interval '{run_at}')"
            ),
        )
        .await;
        let (_, health) = ask(&app, "/healthz").await;
        assert_eq!(health["sync"], sync, "{state} {run_at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_named_without_its_address() {
    let app = TestApp::without_database().await;
    let (status, health) = ask(&app, "/healthz").await;
    assert_eq!(status, 503);
    assert_eq!(health["ok"], false);
    assert_eq!(health["db"], "down");
    assert_eq!(health["dbError"], "unreachable");
    let (status, ready) = ask(&app, "/readyz").await;
    assert_eq!((status, &ready["reason"]), (503, &json!("database")));
    assert_eq!(ask(&app, "/livez").await.0, 200);
}

/// In the process: a server that drains takes no new connection.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_drains_is_alive_and_not_ready() {
    let app = TestApp::start().await;
    let router = tributary::api::router(Arc::clone(&app.app));
    app.app.stop.cancel();
    for (path, status) in [("/readyz", 503), ("/livez", 200), ("/healthz", 200)] {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_migrations_is_not_ready() {
    let app = TestApp::start().await;
    sql(&app, "DELETE FROM __diesel_schema_migrations").await;
    let (status, ready) = ask(&app, "/readyz").await;
    assert_eq!((status, &ready["reason"]), (503, &json!("migrations")));
}

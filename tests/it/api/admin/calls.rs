//! What all of the operator's endpoints have in common: the key, and the audit.

use reqwest::Method;
use serde_json::{Value, json};

use super::{audit, execute};
use crate::api::app::{ADMIN_KEY, Answer, TestApp, session};

const LIST: &str = "/api/admin/dead-letters";
const REPLAY: &str = "/api/admin/dead-letters/01890a5d-ac96-774b-bcce-b302099a8057/replay";

/// Every endpoint of the operator that the description knows.
async fn operations(app: &TestApp) -> Vec<(Method, String)> {
    let description = Answer::of(app.request(Method::GET, "/openapi.json"))
        .await
        .json();
    let paths = description["paths"].as_object().unwrap().iter();
    let admin = paths.filter(|(path, _)| path.starts_with("/api/admin/"));
    let operations: Vec<_> = admin
        .flat_map(|(path, methods)| {
            let path = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
            methods.as_object().unwrap().iter().map(move |(method, _)| {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                (method, path.clone())
            })
        })
        .collect();
    assert!(operations.len() >= 2, "{operations:?}");
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn every_admin_call_leaves_an_audit_row() {
    let app = TestApp::start().await;
    for (method, path) in operations(&app).await {
        for key in [ADMIN_KEY, "wrong"] {
            let before = audit(&app).await.len();
            let request = app.request(method.clone(), &path).bearer_auth(key);
            let answer = Answer::of(request).await;
            let rows = audit(&app).await;
            assert_eq!(rows.len(), before + 1, "{method} {path}");
            let row = &rows[before];
            let outcome = if answer.status < 300 {
                "ok".to_owned()
            } else {
                answer.code()
            };
            assert_eq!(row["outcome"], outcome, "{method} {path}");
            assert_eq!(row["origin"], "127.0.0.1");
            let actor = if key == ADMIN_KEY { "admin" } else { "unknown" };
            assert_eq!(row["actor"], actor, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_says_who_did_what_and_how_it_ended() {
    let app = TestApp::start().await;
    app.admin(Method::GET, LIST).await;
    app.admin(Method::GET, &format!("{LIST}?limit=0")).await;
    app.admin(Method::POST, REPLAY).await;
    app.admin(Method::POST, "/api/admin/dead-letters/%00/replay")
        .await;
    Answer::of(app.request(Method::POST, REPLAY)).await;
    let row = |actor: &str, action: &str, target: Value, outcome: &str| {
        json!({"actor": actor, "action": action, "target": target, "origin": "127.0.0.1",
               "outcome": outcome, "details": {}})
    };
    let id = json!("01890a5d-ac96-774b-bcce-b302099a8057");
    let expected = [
        row("admin", "dead_letter.list", Value::Null, "ok"),
        row("admin", "dead_letter.list", Value::Null, "invalid_request"),
        row("admin", "dead_letter.replay", id, "not_found"),
        row("admin", "dead_letter.replay", Value::Null, "not_found"),
        row("unknown", "dead_letter.replay", Value::Null, "unauthorized"),
    ];
    assert_eq!(audit(&app).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operators_key_opens() {
    let app = TestApp::start().await;
    for (method, path) in operations(&app).await {
        let request = || app.request(method.clone(), &path);
        for request in [
            request(),
            request().bearer_auth("wrong"),
            request().bearer_auth("the-managers-key"),
            request().bearer_auth(session("user_alice")),
            request().header("authorization", format!("Basic {ADMIN_KEY}")),
            app.request(method.clone(), &format!("{path}?access_token={ADMIN_KEY}")),
        ] {
            let answer = Answer::of(request).await;
            let refused = (answer.status, answer.code());
            assert_eq!(refused, (401, "unauthorized".to_owned()), "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_not_answered() {
    let app = TestApp::start().await;
    execute(&app, "ALTER TABLE tributary.audit RENAME TO away").await;
    let answer = app.admin(Method::GET, LIST).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    let refused = Answer::of(app.request(Method::GET, LIST)).await;
    assert_eq!(refused.status, 401);
}

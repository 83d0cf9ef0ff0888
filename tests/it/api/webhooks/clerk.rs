//! `POST /webhooks/clerk`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;
use tributary::{clock::Clock, erasure::Erasure};

use crate::{
    api::{
        app::{Answer, TestApp, session},
        world::{link, portal, text},
    },
    support::world::count,
};

const PATH: &str = "/webhooks/clerk";
const KEY: &[u8] = b"the key of this endpoint";
const LIST: &str = "/api/conversations";
const ALICE: &str = "@alice:lab.local";
const FRIEND: &str = "@facebook_1:lab.local";

async fn app() -> TestApp {
    TestApp::with(|config| config.clerk.webhook_secret = Some(secret().into())).await
}

fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(KEY))
}

/// A delivery, signed with a key at a time that so many seconds are left to.
fn signed(app: &TestApp, key: &[u8], id: &str, ahead: i64, body: &str) -> RequestBuilder {
    let timestamp = Clock::system().now().timestamp() + ahead;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    app.request(Method::POST, PATH)
        .header("content-type", "application/json")
        .header("svix-id", id)
        .header("svix-timestamp", timestamp.to_string())
        .header("svix-signature", format!("v1,{signature}"))
        .body(body.to_owned())
}

async fn delivered(app: &TestApp, id: &str, event: &Value) -> u16 {
    let request = signed(app, KEY, id, 0, &event.to_string());
    Answer::of(request).await.status
}

fn session_ended(session_id: &Value) -> Value {
    json!({"type": "session.revoked", "object": "event",
           "data": {"object": "session", "id": session_id, "user_id": "user_a", "status": "revoked"}})
}

fn user_deleted(user_id: &Value) -> Value {
    json!({"type": "user.deleted", "object": "event",
           "data": {"object": "user", "id": user_id, "deleted": true}})
}

/// The session that a token is of.
fn session_id(token: &str) -> Value {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sid"].clone()
}

async fn refused(request: RequestBuilder) -> (u16, String) {
    let answer = Answer::of(request).await;
    (answer.status, answer.code())
}

async fn rows(app: &TestApp, table: &str) -> i64 {
    count(
        &app.app.db,
        &format!("SELECT count(*) FROM tributary.{table}"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_an_ended_session_are_refused_for_their_rest() {
    let app = app().await;
    let token = session("user_a");
    let ask = async || {
        let request = app.request(Method::GET, LIST).bearer_auth(&token);
        Answer::of(request).await.status
    };
    assert_eq!(ask().await, 200);
    assert_eq!(
        delivered(&app, "msg_1", &session_ended(&session_id(&token))).await,
        200
    );
    assert_eq!(ask().await, 401);
    assert_eq!(app.get("user_b", LIST).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_erased_and_does_not_come_back() {
    let app = app().await;
    link(&app, "user_a", ALICE, None).await;
    portal(&app, "!mine", &[ALICE, FRIEND]).await;
    app.push_events("1", &[text("!mine", FRIEND, "$1", "mine")])
        .await;
    let event = user_deleted(&json!("user_a"));
    assert_eq!(delivered(&app, "msg_1", &event).await, 200);
    for (method, path) in [
        (Method::GET, LIST),
        (Method::POST, "/api/messenger/connect"),
        (Method::DELETE, "/api/account"),
    ] {
        let request = app.viewer("user_a", method, path);
        assert_eq!(
            refused(request).await,
            (401, "unauthorized".to_owned()),
            "{path}"
        );
    }
    let import = json!({"userId": "user_a", "matrixUserId": ALICE});
    let imported = app.admin_with(Method::POST, "/api/admin/connections", &import);
    assert_eq!(imported.await.status, 400);
    assert_eq!(rows(&app, "messenger_connections").await, 0);
    assert_eq!(rows(&app, "room_grants").await, 0);
    let job = app.app.db.get().await.unwrap();
    let filter = tributary::db::jobs::Filter {
        kind: Some("erase"),
        ..tributary::db::jobs::Filter::default()
    };
    let jobs = tributary::db::jobs::list(&job, filter, 10).await.unwrap();
    let erasure = Erasure::new(app.app.ingest.clone());
    let id = jobs[0].key.parse().unwrap();
    erasure.run_for(id, std::time::Duration::from_mins(1)).await;
    assert_eq!(rows(&app, "messages").await, 0);
    assert_eq!(
        rows(&app, "erasures WHERE finished_at IS NOT NULL").await,
        1
    );

    // The same delivery again, and another one of the same.
    assert_eq!(delivered(&app, "msg_1", &event).await, 200);
    assert_eq!(rows(&app, "erasures").await, 1);
    assert_eq!(delivered(&app, "msg_2", &event).await, 200);
    assert_eq!(rows(&app, "erasures").await, 2);
    let audit = app.admin(Method::GET, "/api/admin/audit?action=account.erase");
    let audit = audit.await.json();
    assert_eq!(audit["items"][0]["actor"], "clerk");
    assert_eq!(audit["items"][1]["target"], "user_a");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_without_being_named() {
    let app = app().await;
    link(&app, "user_a", ALICE, None).await;
    for (nth, event) in [
        user_deleted(&Value::Null),
        user_deleted(&json!("")),
        user_deleted(&json!("sess_1")),
        user_deleted(&json!({"id": "user_a"})),
        json!({"type": "user.deleted", "data": {"deleted": true, "user_id": "user_a"}}),
        json!({"type": "user.deleted"}),
        session_ended(&json!(7)),
        json!({"type": "user.updated", "data": {"id": "user_a"}}),
        json!({"type": "user.deleted.not", "data": {"id": "user_a"}}),
        json!({"data": {"id": "user_a"}}),
        json!(["user.deleted"]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            delivered(&app, &format!("msg_{nth}"), &event).await,
            200,
            "{event}"
        );
    }
    assert_eq!(rows(&app, "messenger_connections").await, 1);
    assert_eq!(rows(&app, "erasures").await, 0);
    assert_eq!(rows(&app, "ended_sessions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clerk_did_not_sign_just_now_has_no_effect() {
    let app = app().await;
    link(&app, "user_a", ALICE, None).await;
    let body = user_deleted(&json!("user_a")).to_string();
    let genuine = || signed(&app, KEY, "msg_1", 0, &body);
    let unauthorized = (401, "unauthorized".to_owned());
    for request in [
        signed(&app, b"another key", "msg_1", 0, &body),
        signed(&app, KEY, "msg_1", -310, &body),
        signed(&app, KEY, "msg_1", 310, &body),
        genuine().body(body.replace("user_a", "user_b")),
    ] {
        assert_eq!(refused(request).await, unauthorized);
    }
    let invalid = (400, "invalid_request".to_owned());
    let bare = app.request(Method::POST, PATH).body(body.clone());
    assert_eq!(refused(bare).await, invalid);
    assert_eq!(refused(genuine().header("svix-id", "msg_2")).await, invalid);
    assert_eq!(rows(&app, "messenger_connections").await, 1);
    assert_eq!(rows(&app, "webhook_deliveries").await, 0);
    assert_eq!(Answer::of(genuine()).await.status, 200);
    assert_eq!(rows(&app, "messenger_connections").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_is_not_read() {
    let app = app().await;
    let body = "x".repeat(256 * 1024 + 1);
    let answer = refused(signed(&app, KEY, "msg_1", 0, &body)).await;
    assert_eq!(answer, (413, "payload_too_large".to_owned()));
    let event = json!({"type": "user.created", "data": {"x": "x".repeat(200 * 1024)}});
    assert_eq!(delivered(&app, "msg_2", &event).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_there_is_no_such_endpoint() {
    let app = TestApp::start().await;
    let request = signed(&app, KEY, "msg_1", 0, "{}");
    assert_eq!(refused(request).await, (404, "not_found".to_owned()));
    let get = app.request(Method::GET, PATH);
    assert_eq!(refused(get).await, (405, "method_not_allowed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_down_it_is_to_be_sent_again() {
    let app = TestApp::without_database_and(|config| {
        config.clerk.webhook_secret = Some(secret().into());
    })
    .await;
    for event in [
        user_deleted(&json!("user_a")),
        session_ended(&json!("sess_1")),
    ] {
        let request = signed(&app, KEY, "msg_1", 0, &event.to_string());
        assert_eq!(
            refused(request).await,
            (503, "unavailable".to_owned()),
            "{event}"
        );
    }
    // What it has nothing to do with needs no database.
    let event = json!({"type": "user.created", "data": {"id": "user_a"}});
    assert_eq!(delivered(&app, "msg_2", &event).await, 200);
}

//! Transactions, as they come from a homeserver and as they must not come.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, http};
use bytes::Bytes;
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower::ServiceExt as _;
use tributary::db;

use crate::api::{
    app::{Answer, HS_TOKEN, TestApp},
    world::{link, portal, text},
};

const ROOM: &str = "!portal";
const ALICE: &str = "@alice:lab.local";
const GHOST: &str = "@facebook_1:lab.local";

async fn with_portal() -> TestApp {
    let app = TestApp::start().await;
    link(&app, "user_alice", ALICE, None).await;
    portal(&app, ROOM, &[ALICE, GHOST]).await;
    app
}

async fn count(app: &TestApp, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let mut conn = app.app.db.get().await.unwrap();
    let sql = format!("SELECT count(*) AS count FROM tributary.{table}");
    let row: Count = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
    row.count
}

async fn bodies(app: &TestApp) -> Vec<String> {
    let list = app.get("user_alice", "/api/conversations").await.json();
    let id = list["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/conversations/{id}/messages?limit=200");
    let messages = app.get("user_alice", &path).await.json();
    let mut bodies: Vec<_> = messages["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["body"].as_str().unwrap().to_owned())
        .collect();
    bodies.reverse();
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_with_200_is_stored() {
    let app = with_portal().await;
    let path = "/_matrix/app/v1/transactions/1";
    let body = json!({"events": [text(ROOM, GHOST, "$1", "hello")]}).to_string();
    let request = app.request(Method::PUT, path).bearer_auth(HS_TOKEN);
    let answer = Answer::of(request.body(body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text, "{}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(bodies(&app).await, ["hello"]);
    assert!(app.app.health.last_transaction().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_path_takes_transactions_too() {
    let app = with_portal().await;
    let body = json!({"events": [text(ROOM, GHOST, "$1", "hello")]}).to_string();
    let request = app.request(Method::PUT, "/transactions/1");
    let answer = Answer::of(request.bearer_auth(HS_TOKEN).body(body)).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    assert_eq!(bodies(&app).await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_transaction_is_named() {
    let app = TestApp::start().await;
    for (body, status, errcode) in [
        ("", 400, "M_NOT_JSON"),
        ("events", 400, "M_NOT_JSON"),
        ("{\"events\":[", 400, "M_NOT_JSON"),
        ("{}", 400, "M_BAD_JSON"),
        ("[]", 400, "M_BAD_JSON"),
        ("{\"events\":{}}", 400, "M_BAD_JSON"),
    ] {
        let answer = app.push("1", body).await;
        assert_eq!(
            (answer.status, answer.errcode().as_str()),
            (status, errcode),
            "{body}"
        );
    }
    for body in [
        r#"{"events":[]}"#,
        r#"{"ephemeral":[]}"#,
        r#"{"events":[1,"x",null,{}]}"#,
    ] {
        assert_eq!(app.push("1", body).await.status, 200, "{body}");
    }
    let long = "x".repeat(256);
    for id in ["%00", "%ff", &long] {
        let answer = app.push(id, r#"{"events":[]}"#).await;
        assert_eq!(
            (answer.status, answer.errcode().as_str()),
            (400, "M_INVALID_PARAM"),
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_may_be_129_deep() {
    let app = with_portal().await;
    let mut deep = json!({});
    for _ in 0..125 {
        deep = json!({ "d": deep });
    }
    let mut event = text(ROOM, GHOST, "$deep", "deep");
    event["content"]["deep"] = deep;
    app.push_events("1", &[event, text(ROOM, GHOST, "$2", "beside it")])
        .await;
    assert!(bodies(&app).await.contains(&"beside it".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_events_of_64_kib_are_taken() {
    let app = with_portal().await;
    let body = "x".repeat(64_000);
    let events: Vec<Value> = (0..100)
        .map(|n| text(ROOM, GHOST, &format!("${n}"), &body))
        .collect();
    app.push_events("1", &events).await;
    assert_eq!(count(&app, "messages").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_64_mib_is_too_large_whether_or_not_it_says_so() {
    let app = TestApp::start().await;
    let router = tributary::api::router(Arc::clone(&app.app));
    let mebibyte = || Ok::<_, Infallible>(Bytes::from(vec![b' '; 1024 * 1024]));
    let chunks = |count| futures_util::stream::iter((0..count).map(move |_| mebibyte()));
    for (body, status) in [
        (Body::from_stream(chunks(65)), 413),
        (Body::from(vec![b' '; 64 * 1024 * 1024 + 1]), 413),
        (Body::from_stream(chunks(64)), 400),
    ] {
        let request = http::Request::put("/_matrix/app/v1/transactions/1")
            .header("authorization", format!("Bearer {HS_TOKEN}"))
            .body(body)
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status);
    }
    // Whoever writes all of it before they read anything learns why it was refused.
    let mut stream = TcpStream::connect(app.url("").trim_start_matches("http://"))
        .await
        .unwrap();
    let length = 65 * 1024 * 1024;
    let head = format!(
        "PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nhost: test\r\n\
         authorization: Bearer {HS_TOKEN}\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length]).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, *b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_is_replaced_and_the_event_kept() {
    let app = with_portal().await;
    let mut event = text(ROOM, GHOST, "$nul", "a\0b");
    event["content"]["x\0y"] = json!("\0");
    app.push_events("1", &[event]).await;
    assert_eq!(bodies(&app).await, ["a\u{fffd}b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_event_does_not_stop_its_neighbours() {
    let app = with_portal().await;
    let mut bad = text(ROOM, GHOST, "$bad", "x");
    bad["sender"] = json!(5);
    let events = [
        text(ROOM, GHOST, "$1", "before"),
        bad,
        text(ROOM, GHOST, "$2", "after"),
    ];
    app.push_events("1", &events).await;
    assert_eq!(bodies(&app).await, ["before", "after"]);
    assert_eq!(count(&app, "dead_letters").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_transaction_again_has_no_second_effect() {
    let app = with_portal().await;
    let mut event = text(ROOM, GHOST, "$1", "hello");
    app.push_events("1", &[event.clone()]).await;
    let position = head(&app).await;
    event["unsigned"]["age"] = json!(70_000);
    app.push_events("1", &[event.clone()]).await;
    app.push_events("2", &[event]).await;
    assert_eq!(bodies(&app).await, ["hello"]);
    assert_eq!(head(&app).await, position);
    let list = app.get("user_alice", "/api/conversations").await.json();
    assert_eq!(list["items"][0]["unreadCount"], 1);
}

async fn head(app: &TestApp) -> i64 {
    let mut conn = app.app.db.get().await.unwrap();
    let extent = db::stream::extent(&mut conn, "user_alice");
    extent.await.unwrap().position
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_transaction_at_once_is_stored_once() {
    let app = with_portal().await;
    let before = head(&app).await;
    let events: Vec<Value> = (0..20)
        .map(|n| text(ROOM, GHOST, &format!("${n}"), &n.to_string()))
        .collect();
    let push = || app.push_events("1", &events);
    tokio::join!(push(), push(), push(), push(), push(), push());
    assert_eq!(count(&app, "messages").await, 20);
    assert_eq!(head(&app).await, before + 20);
    let list = app.get("user_alice", "/api/conversations").await.json();
    assert_eq!(list["items"][0]["unreadCount"], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_again_with_other_events_is_taken() {
    let app = with_portal().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "first")])
        .await;
    app.push_events("1", &[text(ROOM, GHOST, "$2", "second")])
        .await;
    assert_eq!(bodies(&app).await, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_room_without_a_customer_nothing_is_kept() {
    let app = TestApp::start().await;
    app.push_events("1", &[text("!other", GHOST, "$1", "secret cookies")])
        .await;
    assert_eq!(count(&app, "messages").await, 0);
    assert_eq!(count(&app, "dead_letters").await, 0);
    assert_eq!(count(&app, "rooms").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_the_homeserver_is_asked_to_try_again() {
    let app = TestApp::without_database().await;
    let body = json!({"events": [text(ROOM, GHOST, "$1", "x")]}).to_string();
    let answer = app.push("1", body).await;
    assert_eq!(
        (answer.status, answer.errcode().as_str()),
        (503, "M_UNKNOWN")
    );
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_the_retry_finds_a_clean_slate() {
    let app = with_portal().await;
    let body = json!({"events": [text(ROOM, GHOST, "$1", "once")]}).to_string();
    app.database.cut().await;
    let answer = app.push("1", body.clone()).await;
    assert_eq!(
        (answer.status, answer.errcode().as_str()),
        (503, "M_UNKNOWN")
    );
    app.database.mend().await;
    assert_eq!(app.push("1", body).await.status, 200);
    assert_eq!(bodies(&app).await, ["once"]);
}

/// Locks taken room by room in the order of a body would wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_that_overlap_crosswise_do_not_block_each_other() {
    let app = with_portal().await;
    portal(&app, "!other", &[ALICE, GHOST]).await;
    let body = |n: usize, events: &str, receipts: &str| {
        let event = text(events, GHOST, &format!("${n}{events}"), "x");
        let receipt = json!({
            "type": "m.receipt", "room_id": receipts,
            "content": {"$x": {"m.read": {GHOST: {"ts": n}}}},
        });
        json!({"events": [event], "ephemeral": [receipt]}).to_string()
    };
    for n in 0..25 {
        let (one, other) = (format!("a{n}"), format!("b{n}"));
        let (one, other) = tokio::join!(
            app.push(&one, body(n, ROOM, "!other")),
            app.push(&other, body(n, "!other", ROOM)),
        );
        assert_eq!((one.status, other.status), (200, 200), "{n}");
    }
    assert_eq!(count(&app, "messages").await, 50);
}

/// The homeserver waits 60 s and hangs up; what it left must not hold anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_hangs_up_leaves_nothing_behind() {
    let app = with_portal().await;
    let body = json!({"events": [text(ROOM, GHOST, "$1", "once")]}).to_string();
    let mut busy = app.app.db.get().await.unwrap();
    let hung_up = busy
        .transaction(async |conn| {
            db::rooms::lock(conn, &[ROOM.to_owned()]).await?;
            let path = "/_matrix/app/v1/transactions/1";
            let request = app.request(Method::PUT, path).bearer_auth(HS_TOKEN);
            let request = request
                .body(body.clone())
                .timeout(Duration::from_millis(300));
            Ok::<_, diesel::result::Error>(request.send().await.is_err())
        })
        .await
        .unwrap();
    assert!(hung_up);
    drop(busy);
    assert_eq!(app.push("1", body).await.status, 200);
    assert_eq!(bodies(&app).await, ["once"]);
    // Every connection of the pool is fit to be used.
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut conn = app.app.db.get().await.unwrap();
        diesel::sql_query("SELECT 1")
            .execute(&mut conn)
            .await
            .unwrap();
        held.push(conn);
    }
}

//! Readers that are slow, hang up, or lose what they may read.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use reqwest::{Method, Response};
use tributary::clock::Clock;

use super::{PATH, lines};
use crate::{
    api::{
        app::{Answer, TestApp, session},
        conversations::{GHOST, ROOM, alice_and_bob},
        world::text,
    },
    support::{eventually, world::count},
};

/// More than sockets and servers keep for a reader: 24 MB.
const MANY: usize = 4000;

async fn much() -> TestApp {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "hello")])
        .await;
    let mut conn = app.app.db.get().await.unwrap();
    conn.batch_execute(&format!(
        "INSERT INTO tributary.messages (id, conversation_id, room_id, event_id, sender_id, sender,
             event_type, type, body, content, origin_server_ts, timestamp, received_at, historical)
         SELECT gen_random_uuid(), conversation_id, room_id, '$more' || n, sender_id, sender, event_type,
                type, repeat('x', 3000), jsonb_build_object('body', repeat('x', 3000)), n,
                timestamp - n * interval '1 second', received_at, true
         FROM tributary.messages, generate_series(1, {MANY}) AS n WHERE event_id = '$1'"
    ))
    .await
    .unwrap();
    app
}

/// An export of which the first bytes have come, and nothing else is read.
async fn begun(app: &TestApp) -> Response {
    let request = app.viewer("user_alice", Method::GET, PATH);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.chunk().await.unwrap().unwrap();
    response
}

/// What is left of it; none when it breaks off.
async fn rest(mut response: Response) -> Option<String> {
    let mut text = String::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        text += std::str::from_utf8(&chunk).unwrap();
    }
    Some(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_holds_no_connection_and_no_transaction() {
    let app = much().await;
    let slow = begun(&app).await;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND pid <> pg_backend_pid() AND state <> 'idle'";
    eventually("the reader has all that it gets", async || {
        let mut all = Vec::new();
        for _ in 0..10 {
            // All of the pool's.
            all.push(app.app.db.get().await.ok()?);
        }
        drop(all);
        (count(&app.app.db, busy).await == 0).then_some(())
    })
    .await;
    let text = rest(slow).await.expect("it goes on as if nothing had been");
    let messages = text.lines().filter(|line| line.contains("\"$more")).count();
    assert_eq!(messages, MANY);
    assert!(text.ends_with("\"connection\":1}}\n"), "it has its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_go_on_at_a_time_and_whoever_hangs_up_is_forgotten() {
    let app = much().await;
    let both = [begun(&app).await, begun(&app).await];
    let answer = app.get("user_alice", PATH).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "rate_limited")
    );
    assert!(answer.header("retry-after").is_some());
    assert_eq!(app.get("user_bob", PATH).await.status, 200);
    drop(both);
    eventually("both are forgotten", async || {
        let first = app.app.limits.exports.begin("user_alice").ok()?;
        let second = app.app.limits.exports.begin("user_alice").ok()?;
        drop((first, second));
        Some(())
    })
    .await;
    let whole = app.get("user_alice", PATH).await;
    assert_eq!(lines(&whole.text).last().unwrap()["type"], "end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_ends_what_it_reads() {
    let app = much().await;
    let going_on = begun(&app).await;
    let token = session("user_alice");
    let session = app.app.clerk.verify(&token).await.unwrap();
    let (now, ended) = (Clock::system().now(), app.app.clerk.ended());
    ended.remember([session.user_id], now + Duration::from_mins(1), now);
    assert_eq!(rest(going_on).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_ends_it() {
    let app = much().await;
    let going_on = begun(&app).await;
    let deleted = Answer::of(app.viewer("user_alice", Method::DELETE, "/api/account")).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(rest(going_on).await, None);
    let after = app.get("user_alice", PATH).await;
    assert_eq!(lines(&after.text).len(), 2, "there is nothing left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_breaks_it_off() {
    let app = much().await;
    let going_on = begun(&app).await;
    app.app.stop.cancel();
    assert_eq!(rest(going_on).await, None);
}

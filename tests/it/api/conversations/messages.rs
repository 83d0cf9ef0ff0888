//! `GET /api/conversations/{id}/messages`.

use serde_json::{Value, json};

use super::{ALICE, BOB, GHOST, ROOM, alice_and_bob, only_path};
use crate::api::{
    app::TestApp,
    world::{now, redaction, text, text_at},
};

async fn walk(app: &TestApp, user: &str, limit: usize) -> Vec<String> {
    let path = format!("{}/messages?limit={limit}", only_path(app, user).await);
    let mut ids = Vec::new();
    let mut next = path.clone();
    loop {
        let page = app.get(user, &next).await.json();
        let id = |item: &Value| item["matrixEventId"].as_str().unwrap().to_owned();
        ids.extend(page["items"].as_array().unwrap().iter().map(id));
        match page["nextCursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => return ids,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_without_messages_is_empty() {
    let app = alice_and_bob().await;
    let path = format!("{}/messages", only_path(&app, "user_alice").await);
    let answer = app.get("user_alice", &path).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"items": [], "nextCursor": null}));
}

/// Equal times are ordered by event id, bytewise: `$B` is before `$a`.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_comes_first_and_ties_are_broken_by_event_id() {
    let app = alice_and_bob().await;
    let at = now();
    let events: Vec<_> = ["$a", "$B", "$ä", "$c", "$C", "$0"]
        .iter()
        .map(|id| text_at(ROOM, GHOST, id, "x", at))
        .chain([text_at(ROOM, GHOST, "$older", "x", at - 1)])
        .collect();
    app.push_events("1", &events).await;
    let expected = ["$ä", "$c", "$a", "$C", "$B", "$0", "$older"];
    for limit in [1, 2, 3, 6, 7, 8] {
        assert_eq!(walk(&app, "user_alice", limit).await, expected, "{limit}");
    }
}

/// A time outside 1970..2200 is shown as the receipt, which has microseconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_keeps_microseconds() {
    let app = alice_and_bob().await;
    let events: Vec<_> = (0..5)
        .map(|n| text_at(ROOM, GHOST, &format!("${n}"), "x", -1))
        .collect();
    app.push_events("1", &events).await;
    assert_eq!(
        walk(&app, "user_alice", 1).await,
        ["$4", "$3", "$2", "$1", "$0"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_as_the_contract_says() {
    let app = alice_and_bob().await;
    let at = now() - 1000;
    let mut reply = text_at(ROOM, ALICE, "$2", "answer", at + 1);
    reply["content"]["m.relates_to"] = json!({"m.in_reply_to": {"event_id": "$1"}});
    app.push_events("1", &[text_at(ROOM, GHOST, "$1", "hello", at), reply])
        .await;
    let path = format!("{}/messages", only_path(&app, "user_alice").await);
    let page = app.get("user_alice", &path).await.json();
    let (answer, hello) = (&page["items"][0], &page["items"][1]);
    assert_eq!(hello["type"], "m.text");
    assert_eq!(hello["sender"]["externalId"], "1");
    assert_eq!(hello["sender"]["isSelf"], false);
    assert_eq!(hello["replyTo"], json!(null));
    assert_eq!(hello["reactions"], json!([]));
    assert_eq!(hello["attachments"], json!([]));
    assert_eq!(hello["historical"], false);
    assert_eq!(answer["replyTo"], hello["id"]);
    assert_eq!(answer["sender"]["isSelf"], true);
    let timestamp = hello["timestamp"].as_str().unwrap();
    assert_eq!(timestamp.len(), "2026-01-01T00:00:00.000Z".len());
    assert!(answer.get("content").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_message_keeps_its_place_and_no_words() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "a secret")])
        .await;
    app.push_events("2", &[redaction(ROOM, GHOST, "$2", "$1")])
        .await;
    let path = format!("{}/messages", only_path(&app, "user_alice").await);
    let answer = app.get("user_alice", &path).await;
    assert!(!answer.text.contains("secret"));
    let message = &answer.json()["items"][0];
    assert_eq!(
        (&message["body"], &message["type"]),
        (&json!(""), &json!("m.room.message"))
    );
    assert!(message["deletedAt"].is_string());
}

/// What was received before they joined a second time, or after they left, is not theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_ends_what_can_be_read() {
    let app = alice_and_bob().await;
    let mut leave = crate::api::world::member(ROOM, ALICE, "$leave", "Alice");
    leave["content"]["membership"] = json!("leave");
    let mut join = crate::api::world::member(ROOM, BOB, "$join", "Bob");
    join["unsigned"]["age"] = json!(0);
    app.push_events("1", &[text(ROOM, GHOST, "$1", "both"), join])
        .await;
    app.push_events("2", &[leave, text(ROOM, GHOST, "$2", "bob alone")])
        .await;
    assert_eq!(walk(&app, "user_alice", 50).await, ["$1"]);
    assert_eq!(walk(&app, "user_bob", 50).await, ["$2", "$1"]);
}

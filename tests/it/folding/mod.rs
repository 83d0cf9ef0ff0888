//! What edits, reactions, files and receipts make of a conversation, as the web app
//! and the sockets get to know it.

mod attachments;
mod edits;
mod kinds;
mod reactions;
mod receipts;
mod refold;
mod statements;

use serde_json::{Value, json};

use crate::{
    api::conversations::{ALICE, BOB, GHOST, ROOM, alice_and_bob, only, only_path},
    support::{
        app::TestApp,
        pushes::{link, now, portal, redaction, text},
        world::count,
    },
};

const FRIEND: &str = "@facebook_2:lab.local";

/// A timeline event of this moment.
fn event(kind: &str, sender: &str, event_id: &str, content: &Value) -> Value {
    json!({
        "event_id": event_id, "room_id": ROOM, "sender": sender, "type": kind,
        "origin_server_ts": now(), "content": content, "unsigned": {"age": 1},
    })
}

fn edit(sender: &str, event_id: &str, of: &str, body: &str) -> Value {
    event(
        "m.room.message",
        sender,
        event_id,
        &json!({
            "msgtype": "m.text", "body": format!("* {body}"),
            "m.new_content": {"msgtype": "m.text", "body": body},
            "m.relates_to": {"rel_type": "m.replace", "event_id": of},
        }),
    )
}

fn reaction(sender: &str, event_id: &str, of: &str, key: &str) -> Value {
    event(
        "m.reaction",
        sender,
        event_id,
        &json!({
            "m.relates_to": {"rel_type": "m.annotation", "event_id": of, "key": key},
        }),
    )
}

/// The event as the homeserver hands it out once it is redacted.
fn pruned(mut event: Value, redaction: &str) -> Value {
    event["content"] = json!({});
    event["unsigned"]["redacted_because"] = json!({
        "event_id": redaction, "sender": event["sender"], "type": "m.room.redaction",
        "origin_server_ts": now(), "content": {"redacts": event["event_id"]},
    });
    event
}

/// The messages of a user's only conversation, the oldest first.
async fn messages(app: &TestApp, user: &str) -> Vec<Value> {
    let path = format!("{}/messages", only_path(app, user).await);
    let mut page = app.get(user, &path).await.json();
    let mut items: Vec<Value> = page["items"].as_array_mut().unwrap().drain(..).collect();
    items.reverse();
    items
}

/// A message, whole.
async fn whole(app: &TestApp, user: &str, message: &Value) -> Value {
    let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
    app.get(user, &path).await.json()
}

/// How a user's stream goes on behind a position: kind by kind.
async fn frames(app: &TestApp, user: &str, after: i64) -> Vec<String> {
    let conn = app.app.db.get().await.unwrap();
    let entries = tributary::db::stream::after(&conn, user, after, 100).await;
    let kinds = entries
        .unwrap()
        .into_iter()
        .map(|entry| entry.kind.unwrap());
    kinds.map(|kind| kind.name().to_owned()).collect()
}

async fn position(app: &TestApp, user: &str) -> i64 {
    let mut conn = app.app.db.get().await.unwrap();
    let extent = tributary::db::stream::extent(&mut conn, user).await;
    extent.unwrap().position
}

/// Alice and Bob in one room with a ghost and a friend.
async fn shared_room() -> TestApp {
    let app = TestApp::start().await;
    link(&app, "user_alice", ALICE, Some("100")).await;
    link(&app, "user_bob", BOB, None).await;
    portal(&app, ROOM, &[ALICE, BOB, GHOST, FRIEND]).await;
    app
}

fn leave(user: &str) -> Value {
    let mut leave = event(
        "m.room.member",
        user,
        "$leave",
        &json!({"membership": "leave"}),
    );
    leave["state_key"] = json!(user);
    leave
}

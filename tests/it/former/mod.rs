//! What is shown to whoever has left a group: the picture, the names and the faces of then.

mod fill;
mod held;
mod order;
mod rooms;
mod shown;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    api::{
        conversations::{ALICE, BOB, GHOST, only_path},
        media::Archive,
    },
    support::{
        app::TestApp,
        pushes::{member, now, portal, text},
    },
};

pub(crate) const GROUP: &str = "!group";
const USER_A: &str = "user_alice";
const USER_B: &str = "user_bob";
const NEWCOMER: &str = "@facebook_9:lab.local";
/// The pictures of the group and of Grace, while Alice is there and when she has left.
const BEFORE: [&str; 2] = ["mxc://lab.local/old-room", "mxc://lab.local/old-face"];
const LATER: [&str; 2] = ["mxc://lab.local/new-room", "mxc://lab.local/new-face"];

/// Received so many milliseconds ago, and sent then.
fn aged(mut event: Value, age: i64) -> Value {
    event["origin_server_ts"] = json!(now() - age);
    event["unsigned"]["age"] = json!(age);
    event
}

fn state(room: &str, event_id: &str, kind: &str, content: &Value) -> Value {
    json!({
        "event_id": event_id, "room_id": room, "sender": GHOST, "type": kind, "state_key": "",
        "origin_server_ts": now(), "content": content, "unsigned": {"age": 1},
    })
}

/// What a group and Grace are called, and look like.
fn named(room: &str, id: &str, name: &str, [picture, face]: [&str; 2]) -> [Value; 3] {
    let mut grace = member(room, GHOST, &format!("$grace-{id}"), name);
    grace["content"]["avatar_url"] = json!(face);
    [
        state(
            room,
            &format!("$name-{id}"),
            "m.room.name",
            &json!({"name": format!("{name} and others")}),
        ),
        state(
            room,
            &format!("$picture-{id}"),
            "m.room.avatar",
            &json!({"url": picture}),
        ),
        grace,
    ]
}

fn leave(room: &str) -> Value {
    let mut leave = member(room, ALICE, "$leave", "Alice");
    leave["content"] = json!({"membership": "leave"});
    leave
}

/// Alice and Bob in a group.
async fn group(app: &TestApp, room: &str) {
    portal(app, room, &[ALICE, BOB, GHOST]).await;
    let people = [
        aged(member(room, ALICE, "$alice", "Alice"), 4 * 3_600_000),
        aged(member(room, BOB, "$bob", "Bob"), 4 * 3_600_000),
    ];
    app.push_events(&format!("people of {room}"), &people).await;
}

/// A group that Alice has left, in which something was said and named before and after, with
/// pictures that are stored.
async fn left() -> Archive {
    let archive = Archive::new().await;
    let app = &archive.app;
    // The direct chat is of no concern.
    archive.sql("DELETE FROM tributary.conversations").await;
    group(app, GROUP).await;
    app.push_events("before", &named(GROUP, "1", "Grace", BEFORE))
        .await;
    app.push_events("said", &[text(GROUP, GHOST, "$said", "a word")])
        .await;
    app.push_events("leave", &[leave(GROUP)]).await;
    app.push_events("later", &named(GROUP, "2", "Quentin", LATER))
        .await;
    let newcomer = member(GROUP, NEWCOMER, "$newcomer", "Newcomer");
    let later = text(GROUP, GHOST, "$later", "a word of Quentin");
    app.push_events("newcomer", &[newcomer, later]).await;
    for mxc in BEFORE.iter().chain(&LATER) {
        archive.store(mxc, "image/png", mxc.as_bytes()).await;
    }
    archive
}

async fn ids(archive: &Archive, mxcs: [&str; 2]) -> [Uuid; 2] {
    [archive.id(mxcs[0]).await, archive.id(mxcs[1]).await]
}

/// What a user is shown of their only conversation.
async fn view(app: &TestApp, user: &str) -> Value {
    let path = only_path(app, user).await;
    app.get(user, &path).await.json()
}

fn person<'a>(conversation: &'a Value, id: &str) -> Option<&'a Value> {
    let people = conversation["participants"].as_array().unwrap();
    people.iter().find(|person| person["matrixUserId"] == id)
}

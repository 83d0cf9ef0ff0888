//! What an erasure leaves: the whole database is dumped and searched for everything that was
//! the customer's alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    process::Command,
};

use diesel_async::SimpleAsyncConnection as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tributary::accounts::Push;

use super::{DM, FRIEND, GROUP, edit, reaction};
use crate::accounts::world::{ALICE, BOB, BOT, USER_A, USER_B, World};

/// In everything that was written, named or sent to Alice alone.
const MARK: &str = "quagga";
/// A friend of Alice's alone.
const GRACE: &str = "@facebook_quagga7:lab.local";

/// The lines of each table of a dump, and what is in none.
fn dump(world: &World) -> BTreeMap<String, String> {
    let dumped = Command::new("pg_dump")
        .arg(world.database.url.expose_secret())
        .output()
        .expect("pg_dump is installed with Postgres");
    assert!(dumped.status.success(), "{dumped:?}");
    let text = String::from_utf8(dumped.stdout).unwrap();
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(copied) = line.strip_prefix("COPY ") {
            copied.split(' ').next().unwrap().clone_into(&mut table);
        }
        let rows = tables.entry(table.clone()).or_default();
        *rows += line;
        *rows += "\n";
        if line == "\\." {
            table.clear();
        }
    }
    tables
}

/// The tables in which a text occurs.
fn tables_with(dump: &BTreeMap<String, String>, text: &str) -> BTreeSet<String> {
    let found = dump.iter().filter(|(_, rows)| rows.contains(text));
    found
        .map(|(table, _)| table.replace("tributary.", ""))
        .collect()
}

/// What was said, named, sent, edited, unsent and not understood, in the chat that is Alice's
/// alone and in the group after Bob has left it; and what the bridge said of her.
async fn live(world: &World) {
    let report = json!({"bridgeUserId": "quagga100", "remoteName": "quagga of facebook"});
    let report = World::report_of(ALICE, report);
    let reported = world.accounts.report(&report, None).await.unwrap();
    let code = reported.link_code.unwrap();
    world.accounts.link(USER_A, &code, None).await.unwrap();
    world.linked(USER_B, BOB).await;
    let push = json!({"state_event": "BAD_CREDENTIALS", "user_id": ALICE, "message": "quagga error",
                      "remote_id": "quagga100", "remote_name": "quagga at the bridge"});
    let push = Push::read(&push, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
    world
        .join(DM, GRACE, "quagga grace", "mxc://lab.local/quagga-face")
        .await;
    for (kind, content) in [
        ("m.room.name", json!({"name": "quagga room"})),
        ("m.room.topic", json!({"topic": "quagga topic"})),
        (
            "m.room.avatar",
            json!({"url": "mxc://lab.local/quagga-room"}),
        ),
    ] {
        world.event(DM, BOT, kind, Some(""), content).await;
    }
    world
        .join(GROUP, FRIEND, "a friend", "mxc://lab.local/face")
        .await;
    world.message(GROUP, FRIEND, "for both of them").await;
    let leave = json!({"membership": "leave"});
    world
        .event(GROUP, BOB, "m.room.member", Some(BOB), leave)
        .await;
    // Nothing of this is for Bob.
    let name = json!({"name": "quagga group without bob"});
    world.event(GROUP, BOT, "m.room.name", Some(""), name).await;
    world
        .join(
            GROUP,
            FRIEND,
            "quagga of a friend",
            "mxc://lab.local/quagga-new-face",
        )
        .await;
    world
        .join(
            GROUP,
            "@facebook_quagga8:lab.local",
            "quagga the late",
            "mxc://lab.local/quagga-8",
        )
        .await;
    for room in [DM, GROUP] {
        talk(world, room).await;
    }
    let receipt = json!({"type": "m.receipt", "room_id": DM,
                         "content": {"$event0": {"m.read": {ALICE: {"ts": 1}}}}});
    let body = json!({"events": [], "ephemeral": [receipt]}).to_string();
    world
        .ingest
        .transaction("receipt", body.as_bytes())
        .await
        .unwrap();
}

async fn talk(world: &World, room: &str) {
    let say = async |content: Value| {
        let kind = "m.room.message";
        world.event(room, GRACE, kind, None, content).await
    };
    let html = json!({"msgtype": "m.text", "body": "quagga body", "format": "org.matrix.custom.html",
                      "formatted_body": "<b>quagga</b> html", "com.example.quagga": "quagga extra"});
    let said = say(html).await;
    say(edit(&said, "quagga-edited")).await;
    say(edit(&said, "quagga-edited-again")).await;
    let content = reaction(&said, "quagga!");
    world.event(room, GRACE, "m.reaction", None, content).await;
    let file = json!({"msgtype": "m.file", "body": "quagga.pdf", "filename": "quagga.pdf",
                      "url": format!("mxc://lab.local/quagga-{}", room.len()),
                      "info": {"mimetype": "application/x-quagga", "size": 5}});
    say(file).await;
    let unsent = say(json!({"msgtype": "m.text", "body": "quagga unsent"})).await;
    let reason = json!({"redacts": unsent, "reason": "quagga reason"});
    world
        .event(room, GRACE, "m.room.redaction", None, reason)
        .await;
    // Not to be understood: a dead letter.
    say(json!({"msgtype": "quagga", "body": 5})).await;
}

/// The ids that Alice's rows have, by what they are of.
async fn ids(world: &World) -> BTreeMap<&'static str, Vec<String>> {
    let mut ids = BTreeMap::new();
    for (what, sql) in [
        ("messages", "SELECT id::text AS t FROM tributary.messages"),
        ("events", "SELECT event_id AS t FROM tributary.messages"),
        ("media", "SELECT id::text AS t FROM tributary.media"),
        (
            "participants",
            "SELECT id::text AS t FROM tributary.participants",
        ),
        (
            "conversations",
            "SELECT id::text AS t FROM tributary.conversations",
        ),
        (
            "connections",
            "SELECT id::text AS t FROM tributary.messenger_connections",
        ),
    ] {
        ids.insert(what, world.texts(sql).await);
    }
    ids
}

/// Where what is left of the ids that are nobody's any more is, by what they were of.
async fn found(world: &World, before: &BTreeMap<&'static str, Vec<String>>) -> String {
    let (dump, after) = (dump(world), ids(world).await);
    let mut found = String::new();
    for (what, ids) in before {
        let gone = ids.iter().filter(|id| !after[what].contains(id));
        // A quoted or separated word: `$event1` is no part of `$event10`.
        let gone: Vec<_> = gone.collect();
        assert!(
            !gone.is_empty() || *what == "connections",
            "nothing of {what} is gone"
        );
        let places = gone.iter().flat_map(|id| words_with(&dump, id));
        let places: BTreeSet<_> = places.collect();
        if !places.is_empty() {
            writeln!(found, "{what}: {places:?}").unwrap();
        }
    }
    found
}

/// The tables in which a text occurs, and not as the beginning of a longer one.
fn words_with(dump: &BTreeMap<String, String>, word: &str) -> BTreeSet<String> {
    let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
    let has = |rows: &&String| {
        rows.match_indices(word)
            .any(|(at, _)| is_end(&rows[at + word.len()..]))
    };
    let found = dump.iter().filter(|(_, rows)| has(rows));
    found
        .map(|(table, _)| table.replace("tributary.", ""))
        .collect()
}

/// The search's index is never behind for more than seconds.
async fn index(world: &World) {
    while tributary::search::index::step(&world.database.pool())
        .await
        .unwrap()
    {}
}

async fn lived_in() -> World {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    world.portal(DM, "77", &[ALICE, BOT, GRACE]).await;
    live(&world).await;
    index(&world).await;
    let full = tables_with(&dump(&world), MARK);
    assert!(full.len() >= 10, "{full:?}");
    world
}

fn set(tables: &[&str]) -> BTreeSet<String> {
    tables.iter().map(|&table| table.to_owned()).collect()
}

/// Of rooms without a customer the members' ids are kept, as of any other.
const MEMBERS: &str = "room_members";

/// Nothing of what was said is left, and no name, file name or address; but who is in the
/// rooms, by id.
fn content_is_gone(left: &BTreeMap<String, String>) {
    assert_eq!(tables_with(left, MARK), set(&[MEMBERS]));
    let mut members = left["tributary.room_members"].clone();
    for member in [GRACE, "@facebook_quagga8:lab.local"] {
        members = members.replace(member, "");
    }
    assert!(!members.contains(MARK), "{members}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_account_nothing_is_left_but_what_is_told() {
    let world = lived_in().await;
    let before = ids(&world).await;
    world.accounts.delete(USER_A, None).await.unwrap();
    index(&world).await;
    let left = dump(&world);
    content_is_gone(&left);
    // Ids of what is gone, in the newest frames of her stream.
    let frames = "connections: {\"audit\", \"outbox\"}\nconversations: {\"outbox\"}\n";
    assert_eq!(found(&world, &before).await, frames);
    assert_eq!(tables_with(&left, ALICE), set(&["audit", MEMBERS]));
    // Whose work it was that is not done yet is forgotten with its end.
    assert_eq!(
        words_with(&left, USER_A),
        set(&["audit", "jobs", "outbox", "stream_positions"])
    );
    // Bob's is as it was.
    assert_eq!(world.count("messages").await, 1);
}

/// The receipt of Bob's leave is too late: all that was said behind it seems to have come before.
#[tokio::test(flavor = "multi_thread")]
async fn of_what_was_said_behind_a_leave_that_was_held_up_nothing_is_left() {
    let world = lived_in().await;
    let mut held_up = String::new();
    for table in ["messages", "message_versions", "reactions", "state_events"] {
        write!(
            held_up,
            "UPDATE tributary.{table} t SET origin_server_ts = g.until_ts + 1
             FROM tributary.room_grants g WHERE g.room_id = t.room_id AND t.received_at > g.until_at;"
        )
        .unwrap();
    }
    // What has no time of its own is of when it was taken in, which is behind the leave.
    for (table, room) in [
        ("dead_letters", "t.room_id = g.room_id"),
        ("participants", "t.conversation_id = g.conversation_id"),
    ] {
        write!(
            held_up,
            "UPDATE tributary.{table} t SET created_at = t.created_at + interval '30 seconds'
             FROM tributary.room_grants g WHERE {room} AND t.created_at > g.until_at;"
        )
        .unwrap();
    }
    held_up += "UPDATE tributary.room_grants SET until_at = until_at + interval '30 seconds'";
    let mut conn = world.database.pool().get().await.unwrap();
    conn.batch_execute(&held_up).await.unwrap();
    world.accounts.delete(USER_A, None).await.unwrap();
    index(&world).await;
    content_is_gone(&dump(&world));
    assert_eq!(world.count("messages").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_purged_connection_nothing_is_left_but_what_is_told() {
    let world = lived_in().await;
    let before = ids(&world).await;
    let connection = world.connections(USER_A).await[0].id;
    world
        .accounts
        .disconnect(USER_A, connection, true, None)
        .await
        .unwrap();
    index(&world).await;
    let left = dump(&world);
    content_is_gone(&left);
    let frames = "conversations: {\"outbox\"}\nmessages: {\"outbox\"}\n";
    assert_eq!(found(&world, &before).await, frames);
    // The connection stays, disconnected.
    let places = set(&["audit", "messenger_connections", MEMBERS]);
    assert_eq!(tables_with(&left, ALICE), places);
    assert_eq!(world.count("messages").await, 1);
}

//! What Synapse really sent (`tests/fixtures/synapse`), and what becomes of each body:
//! what the API shows a customer in its rooms, and what else it leaves behind.
//!
//! In the snapshots an id is what it stands for, a message's sender and the last
//! message are ids, and what is null, false or empty is left out.

mod outcome;

use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use tributary::model::new_id;

use crate::support::live::World;

const USER: &str = "user_alice";
const ALICE: &str = "@alice:lab.local";
const BOT: &str = "@metabot:lab.local";

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_body_has_its_outcome() {
    let world = World::with(json!({"bridges": [{
        "id": "meta", "network": "facebook", "bot": BOT, "ghosts": "@meta_(?<id>.+):lab\\.local",
    }]}))
    .await;
    world.connect(USER, ALICE).await;
    let names = names();
    assert!(!names.is_empty(), "there are no fixtures");
    for name in names {
        let outcome = outcome_of(&world, &name).await;
        insta::assert_json_snapshot!(name, outcome);
        forget(&world).await;
    }
}

/// Leaves the connection and nothing else: a database for each would take minutes.
async fn forget(world: &World) {
    world
        .sql(
            "DELETE FROM tributary.conversations;
             DELETE FROM tributary.rooms;
             DELETE FROM tributary.media;
             DELETE FROM tributary.dead_letters;
             DELETE FROM tributary.jobs;
             DELETE FROM tributary.outbox;",
        )
        .await;
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/synapse")
}

fn names() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Pushes a body at the time it was recorded, while all rooms in it are portals of
/// the customer.
async fn outcome_of(world: &World, name: &str) -> Value {
    let raw = std::fs::read(folder().join(format!("{name}.json"))).unwrap();
    let body: Value = serde_json::from_slice(&raw).unwrap();
    if let Some(millis) = recorded_at(&body) {
        let recorded_at = DateTime::from_timestamp_millis(millis).unwrap();
        world.forward((recorded_at - world.now()).num_seconds());
        let linked_at = recorded_at - TimeDelta::hours(1);
        world
            .sql(&format!(
                "UPDATE tributary.messenger_connections SET linked_at = '{linked_at}'"
            ))
            .await;
    }
    let rooms = people_of(&body);
    for (room_id, people) in &rooms {
        let people: Vec<_> = people.iter().map(String::as_str).collect();
        world.room(room_id, &people).await;
    }
    world.push(&joins(&rooms)).await;
    // The frames of that are not the push's.
    world.sql("DELETE FROM tributary.outbox").await;
    let mut told = world.app.feed.subscribe(USER);
    let id = new_id().to_string();
    world.app.ingest.transaction(&id, &raw).await.unwrap();
    outcome::of(world, USER, &mut told).await
}

/// When the homeserver sent the newest event of a body.
fn recorded_at(body: &Value) -> Option<i64> {
    let sent = |event: &Value| {
        Some(event["origin_server_ts"].as_i64()? + event["unsigned"]["age"].as_i64()?)
    };
    body["events"].as_array()?.iter().filter_map(sent).max()
}

/// The rooms of a body; in each are the customer, the bot and whoever sent something.
fn people_of(body: &Value) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let parts = ["events", "ephemeral", "de.sorunome.msc2409.ephemeral"]
        .iter()
        .filter_map(|key| body[key].as_array())
        .flatten();
    for part in parts {
        let Some(room_id) = part["room_id"].as_str() else {
            continue;
        };
        let people = rooms
            .entry(room_id.to_owned())
            .or_insert_with(|| vec![ALICE.to_owned(), BOT.to_owned()]);
        if let Some(sender) = part["sender"].as_str()
            && !people.iter().any(|known| known == sender)
        {
            people.push(sender.to_owned());
        }
    }
    rooms
}

/// The state that discovery has found before, older than all that is recorded.
fn joins(rooms: &BTreeMap<String, Vec<String>>) -> Vec<Value> {
    let join = |room_id: &String, user: &String| {
        json!({
            "type": "m.room.member", "room_id": room_id, "sender": user, "state_key": user,
            "event_id": format!("$join of {user} in {room_id}"), "origin_server_ts": 1,
            "content": {"membership": "join"},
        })
    };
    let of_room = |(room_id, people): (&String, &Vec<String>)| {
        let joins = people.iter().map(|user| join(room_id, user));
        joins.collect::<Vec<_>>()
    };
    rooms.iter().flat_map(of_room).collect()
}

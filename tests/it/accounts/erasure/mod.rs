//! Erasing while everything else goes on: pushes, pages, links, kills.

mod account;
mod left;
mod middle;
mod relink;
mod requests;

use diesel_async::AsyncConnection as _;
use serde_json::{Value, json};
use tributary::{
    db::{self, read},
    erasure::{Erasure, Step},
};
use uuid::Uuid;

use crate::accounts::world::World;

const FRIEND: &str = "@facebook_5:lab.local";
const DM: &str = "!dm:lab.local";
const GROUP: &str = "!group:lab.local";

/// Takes steps of so many messages.
fn steps_of(world: &World, batch: i64) -> Erasure {
    Erasure {
        batch,
        ..Erasure::new(world.ingest.clone())
    }
}

/// The only erasure that is not finished.
async fn pending(world: &World) -> Uuid {
    let ids = "SELECT id::text AS t FROM tributary.erasures WHERE finished_at IS NULL";
    let ids = world.texts(ids).await;
    assert_eq!(ids.len(), 1);
    ids[0].parse().unwrap()
}

/// One step, committed; or all of it done and then lost, as by a kill.
async fn step(world: &World, erasure: &Erasure, id: Uuid, is_killed: bool) -> Option<Step> {
    let mut conn = world.db.get().await.unwrap();
    let step = conn
        .transaction(async |conn| {
            let step = erasure.step(conn, id).await?;
            if is_killed {
                return Err(db::QueryError::RollbackTransaction);
            }
            Ok(step)
        })
        .await;
    match step {
        Ok(step) => Some(step),
        Err(db::QueryError::RollbackTransaction) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Takes all the steps that are left; returns how many there were.
async fn finish(world: &World, batch: i64, id: Uuid) -> usize {
    let erasure = steps_of(world, batch);
    let mut steps = 1;
    while step(world, &erasure, id, false).await.unwrap() == Step::More {
        steps += 1;
    }
    steps
}

/// Everything that a user may read.
async fn sees(world: &World, user_id: &str) -> Value {
    let mut conn = world.db.get().await.unwrap();
    let page = read::conversations::page(&mut conn, user_id, None, 200).await;
    let mut seen = Vec::new();
    for conversation in page.unwrap().items {
        let id = conversation.id;
        let page = read::messages::page(&conn, user_id, id, None, 200).await;
        let mut messages = Vec::new();
        for message in page.unwrap().unwrap().items {
            let full = read::messages::full(&mut conn, user_id, message.id).await;
            messages.push((message, full.unwrap().unwrap()));
        }
        let people = read::participants::of(&mut conn, user_id, &[id])
            .await
            .unwrap();
        seen.push(json!({"conversation": conversation, "people": people, "messages": messages}));
    }
    json!(seen)
}

fn edit(of: &str, body: &str) -> Value {
    json!({
        "msgtype": "m.image", "body": body,
        "m.new_content": {"msgtype": "m.image", "body": body, "url": format!("mxc://lab.local/{body}")},
        "m.relates_to": {"rel_type": "m.replace", "event_id": of},
    })
}

fn reaction(of: &str, key: &str) -> Value {
    json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": of, "key": key}})
}

/// The receipt of the last erasure: its cause and its counts, of conversations,
/// messages, media and dead letters.
async fn receipt(world: &World) -> String {
    let receipt = "SELECT concat_ws(' ', cause, conversations, messages, media, dead_letters) AS t
                   FROM tributary.erasures WHERE finished_at >= requested_at
                   ORDER BY requested_at DESC LIMIT 1";
    world.texts(receipt).await.remove(0)
}

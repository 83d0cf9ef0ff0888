//! Jobs, against a real Postgres.

mod ask_bridge;
mod backfill;
mod dead_letters;
mod discover;
mod erase;
mod reconcile;
mod reidentify;
mod retention;
mod runner;
mod table;

use serde_json::{Map, Value, json};
use tributary::{
    db::{
        Connection, Database,
        jobs::{self, Enqueued, Job, NewJob},
    },
    model::new_id,
};

const KIND: &str = "test";

fn job(key: &str, payload: Value) -> NewJob {
    let Value::Object(payload) = payload else {
        panic!("a payload is an object")
    };
    NewJob {
        kind: KIND,
        key: key.to_owned(),
        payload,
    }
}

async fn enqueue(conn: &Connection, key: &str) -> Enqueued {
    let new = NewJob {
        kind: KIND,
        key: key.to_owned(),
        payload: Map::new(),
    };
    jobs::enqueue(conn, &[new]).await.unwrap()[0]
}

async fn get(pool: &Database, id: uuid::Uuid) -> Job {
    let conn = pool.get().await.unwrap();
    jobs::get(&conn, id)
        .await
        .unwrap()
        .expect("the job is there")
}

/// A job nobody knows.
fn nobodys() -> jobs::Held {
    jobs::Held {
        job: new_id(),
        owner: new_id(),
    }
}

fn empty() -> Value {
    json!({})
}

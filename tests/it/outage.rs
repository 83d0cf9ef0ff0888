//! Postgres goes away under load and comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tributary::{
    db::{self, Database, embedded::Embedded},
    ingest::transaction::Refused,
};

use crate::support::{
    eventually,
    world::{World, text},
};

const CAROL: &str = "@facebook_2001:lab.local";
const WRITERS: usize = 3;
/// Of each writer, at least: they go on until Postgres is back.
const PUSHES: usize = 60;
const EVENTS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_while_postgres_stops_is_refused_and_taken_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Embedded::start(folder.path()).await.unwrap();
    db::migrate(postgres.url()).await.unwrap();
    let world = World::on(Database::new(postgres.url(), 10).unwrap());
    let alice = world.customer("alice", "1001").await;
    for writer in 0..WRITERS {
        world
            .direct(
                &format!("!{writer}"),
                &alice,
                "1001",
                &format!("200{writer}"),
            )
            .await;
    }

    let (taken, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let is_back = CancellationToken::new();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (ingest, taken, refused) = (
            world.ingest.clone(),
            Arc::clone(&taken),
            Arc::clone(&refused),
        );
        let is_back = is_back.clone();
        writers.spawn(async move {
            let mut push = 0;
            while push < PUSHES || !is_back.is_cancelled() {
                let room = format!("!{writer}");
                let event = |i| text(&room, &format!("${writer}-{push}-{i}"), CAROL, "hi");
                let body =
                    json!({"events": (0..EVENTS).map(event).collect::<Vec<_>>()}).to_string();
                let id = format!("{writer}-{push}");
                // As the homeserver does: the same one again until it is taken.
                while let Err(error) = ingest.transaction(&id, body.as_bytes()).await {
                    assert!(!matches!(error, Refused::Bad(_)), "{error}");
                    refused.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
                taken.fetch_add(1, Ordering::SeqCst);
                push += 1;
            }
        });
    }
    let reaches = |counter: &Arc<AtomicUsize>, least: usize| {
        let counter = Arc::clone(counter);
        move || {
            let reached = counter.load(Ordering::SeqCst) >= least;
            async move { reached.then_some(()) }
        }
    };
    eventually(
        "the load is under way",
        reaches(&taken, WRITERS * PUSHES / 4),
    )
    .await;
    postgres.stop().await.unwrap();
    eventually("pushes are refused", reaches(&refused, WRITERS)).await;
    let postgres = Embedded::start(folder.path()).await.unwrap();
    is_back.cancel();
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }

    let pushes = taken.load(Ordering::SeqCst);
    let all = i64::try_from(pushes * EVENTS).unwrap();
    assert_eq!(
        world.count("SELECT count(*) FROM tributary.messages").await,
        all
    );
    assert_eq!(
        world
            .count("SELECT count(DISTINCT event_id) FROM tributary.messages")
            .await,
        all
    );
    let frames = "SELECT count(*) FROM tributary.outbox WHERE kind = 'message.created'";
    assert_eq!(world.count(frames).await, all);
    let head = "SELECT position AS count FROM tributary.stream_positions";
    assert_eq!(
        world.count(head).await,
        world.count("SELECT count(*) FROM tributary.outbox").await,
        "positions are without holes"
    );
    let half = "SELECT count(*) FROM tributary.transactions";
    assert_eq!(world.count(half).await, i64::try_from(pushes).unwrap());
    drop(world);
    postgres.stop().await.unwrap();
}

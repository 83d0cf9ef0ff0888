//! Dead letters that a page of history makes good.

use std::sync::Arc;

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl as _;
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;
use tributary::{
    config,
    db::jobs::{JobState, NewJob},
    jobs::{
        Handlers, KindLimits, Runner, Timing, Waker,
        backfill::{Backfill, Span},
        reconcile::Reconcile,
    },
    matrix::client::{CallLimits, Homeserver},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path_regex};

use crate::support::{
    eventually,
    world::{World, text},
};

const ROOM: &str = "!dm:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";

fn start(world: &World, homeserver: &MockServer) -> CancellationToken {
    let homeserver = config::Homeserver {
        url: homeserver.uri().parse().unwrap(),
        server_name: "lab.local".to_owned(),
    };
    let homeserver = Homeserver::new(&homeserver, "as".into(), &CallLimits::default()).unwrap();
    let backfill = Backfill {
        ingest: world.ingest.clone(),
        homeserver: homeserver.clone(),
        page_size: 500,
    };
    let reconcile = Reconcile {
        ingest: world.ingest.clone(),
        homeserver,
    };
    let limits = || KindLimits {
        concurrency: 1,
        max_attempts: None,
    };
    let stop = CancellationToken::new();
    let runner = Runner::new(
        world.db.clone(),
        Handlers::default()
            .with(backfill, limits())
            .with(reconcile, limits()),
        Waker::new(Arc::clone(&world.ingest.jobs)),
        Timing::default(),
        stop.clone(),
    );
    tokio::spawn(runner.run());
    stop
}

/// The letters: id, event and arrival of each.
async fn letters(world: &World) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Letter {
        #[diesel(sql_type = Text)]
        letter: String,
    }
    let mut conn = world.db.get().await.unwrap();
    let letters: Vec<Letter> = sql_query(
        "SELECT concat_ws(' ', event_id, id, created_at) AS letter
         FROM tributary.dead_letters ORDER BY event_id",
    )
    .load(&mut conn)
    .await
    .unwrap();
    letters.into_iter().map(|row| row.letter).collect()
}

/// Runs a job over a page on which two events have letters: one folds now.
async fn walk(kind: &'static str, payload: Map<String, serde_json::Value>) {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    let bad = ["$absent", "$bad", "$good"].map(|event_id| {
        let mut event = text(ROOM, event_id, CAROL, "x");
        event["content"]["body"] = json!(5);
        event
    });
    world.push("1", &bad).await;
    let before = letters(&world).await;
    assert_eq!(before.len(), 3);
    let mut good = text(ROOM, "$good", CAROL, "after all");
    good["unsigned"]["age"] = json!(0);
    let page = json!({"start": "a", "chunk": [good, bad[1]]});
    let homeserver = MockServer::start().await;
    Mock::given(path_regex("/messages$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&homeserver)
        .await;
    let stop = start(&world, &homeserver);
    let job = NewJob {
        kind,
        key: ROOM.to_owned(),
        payload,
    };
    let conn = world.db.get().await.unwrap();
    let jobs = tributary::db::jobs::enqueue(&conn, &[job]).await.unwrap();
    eventually("the walk is over", async || {
        Some(super::get(&world.db, jobs[0].id).await).filter(|job| job.state == JobState::Done)
    })
    .await;
    stop.cancel();
    assert_eq!(letters(&world).await, before[..2], "{kind}");
    let stored = "SELECT count(*) FROM tributary.messages WHERE body = 'after all'";
    assert_eq!(world.count(stored).await, 1, "{kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_removes_the_letters_that_it_makes_good() {
    let span = Span {
        days: 30,
        max_messages: 100,
    };
    walk("backfill", span.payload()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciling_removes_the_letters_that_it_makes_good() {
    walk("reconcile", Map::new()).await;
}

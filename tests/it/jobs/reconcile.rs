//! What was never pushed, at any depth.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tributary::{
    config,
    db::jobs::{JobState, NewJob},
    jobs::{Handlers, KindLimits, Runner, Timing, Waker, reconcile::Reconcile},
    matrix::client::{CallLimits, Homeserver},
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{path_regex, query_param},
};

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
    let reconcile = Reconcile {
        ingest: world.ingest.clone(),
        homeserver: Homeserver::new(&homeserver, "as".into(), &CallLimits::default()).unwrap(),
    };
    let limits = KindLimits {
        concurrency: 1,
        max_attempts: None,
    };
    let stop = CancellationToken::new();
    let runner = Runner::new(
        world.db.clone(),
        Handlers::default().with(reconcile, limits),
        Waker::new(Arc::clone(&world.ingest.jobs)),
        Timing::default(),
        stop.clone(),
    );
    tokio::spawn(runner.run());
    stop
}

fn aged(event_id: &str, age: i64) -> Value {
    let mut event = text(ROOM, event_id, CAROL, event_id);
    event["unsigned"]["age"] = json!(age);
    event
}

fn page(event: &Value, end: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"start": "s", "chunk": [event], "end": end}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_is_found_behind_those_that_came_after_it() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    let (newest, lost) = (aged("$newest", 0), aged("$lost", 0));
    // From before the mapping: that is for backfill.
    let older = aged("$older", 3_600_000);
    world.push("1", std::slice::from_ref(&newest)).await;
    let homeserver = MockServer::start().await;
    for (from, event, end) in [("b", &lost, "c"), ("c", &older, "d")] {
        Mock::given(path_regex("/messages$"))
            .and(query_param("from", from))
            .respond_with(page(event, end))
            .expect(1)
            .mount(&homeserver)
            .await;
    }
    Mock::given(path_regex("/messages$"))
        .and(|request: &Request| !request.url.query_pairs().any(|(key, _)| key == "from"))
        .respond_with(page(&newest, "b"))
        .expect(1)
        .mount(&homeserver)
        .await;
    let stop = start(&world, &homeserver);
    let job = NewJob {
        kind: "reconcile",
        key: ROOM.to_owned(),
        payload: Map::new(),
    };
    let conn = world.db.get().await.unwrap();
    let jobs = tributary::db::jobs::enqueue(&conn, &[job]).await.unwrap();
    eventually("the room is compared", async || {
        Some(super::get(&world.db, jobs[0].id).await).filter(|job| job.state == JobState::Done)
    })
    .await;
    stop.cancel();
    let lost = "SELECT count(*) FROM tributary.messages WHERE event_id = '$lost'";
    assert_eq!(world.count(lost).await, 1);
    let all = "SELECT count(*) FROM tributary.messages";
    assert_eq!(world.count(all).await, 2);
    let compared = "SELECT count(*) FROM tributary.rooms WHERE reconciled_at IS NOT NULL";
    assert_eq!(world.count(compared).await, 1);
}

//! Asking a bridge, over HTTP, and the watch over bridges of which nothing comes.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};
use tributary::{
    accounts::Push,
    jobs::{
        Handlers, KindLimits, Runner, Timing, Waker,
        ask_bridge::AskBridge,
        silence::{self, Rhythm},
    },
    matrix::provisioning::Provisioning,
    model::connection::Status,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::support::{
    eventually, live,
    ownership::{ALICE, USER_A, World, askable},
};

fn asker(world: &World) -> AskBridge {
    AskBridge {
        accounts: world.accounts.clone(),
        provisioning: Provisioning::new(&world.config.bridges).unwrap(),
    }
}

fn start(world: &World) -> DropGuard {
    let limits = KindLimits {
        concurrency: 2,
        max_attempts: None,
    };
    let stop = CancellationToken::new();
    let runner = Runner::new(
        world.db.clone(),
        Handlers::default().with(asker(world), limits),
        Waker::new(Arc::clone(&world.ingest.jobs)),
        Timing::default(),
        stop.clone(),
    );
    tokio::spawn(runner.run());
    stop.drop_guard()
}

fn connected(name: &str) -> ResponseTemplate {
    let state = json!({"state_event": "CONNECTED", "timestamp": 1_800_000_000});
    let logins = json!([{"id": "77", "name": name, "state": state}]);
    ResponseTemplate::new(200).set_body_json(json!({"logins": logins}))
}

/// Says that it was asked, and answers when whoever lets it is gone.
struct HeldBack {
    asked: Mutex<mpsc::Sender<()>>,
    may: Mutex<mpsc::Receiver<()>>,
}

impl Respond for HeldBack {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        // The test may be over.
        let _ = self.asked.lock().unwrap().send(());
        let _ = self.may.lock().unwrap().recv();
        connected("Alice")
    }
}

async fn answers(bridge: &MockServer, answer: ResponseTemplate) {
    bridge.reset().await;
    Mock::given(any()).respond_with(answer).mount(bridge).await;
}

/// The state and the outcome of the only such job.
async fn job(world: &World) -> String {
    let sql = "SELECT concat_ws(': ', state, coalesce(reason, error)) AS t
               FROM tributary.jobs WHERE kind = 'ask_bridge'";
    world.texts(sql).await.join(", ")
}

async fn becomes(world: &World, expected: &str) {
    eventually(expected, async || {
        (job(world).await == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_confirmed_by_the_bridge() {
    let bridge = MockServer::start().await;
    answers(&bridge, connected("Alice on Messenger")).await;
    let world = World::with(askable(&bridge.uri())).await;
    let report = World::report_of(ALICE, json!({"status": "pending"}));
    let reported = world.accounts.report(&report, None).await.unwrap();
    let code = reported.link_code.unwrap();
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    assert_eq!(linked.status, Status::Pending);
    let _jobs = start(&world);
    becomes(&world, "done: confirmed").await;
    let connection = world.connections(USER_A).await.pop().unwrap();
    assert_eq!(connection.status, Status::Connected);
    assert_eq!(
        connection.remote_name.as_deref(),
        Some("Alice on Messenger")
    );
    assert_eq!(connection.bridge_user_id.as_deref(), Some("77"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    for (answer, expected) in [
        (503, "waiting: the bridge does not answer: 503"),
        (
            401,
            "failed: the bridge's provisioning API refuses: 401, is the provisioning_secret right?",
        ),
    ] {
        let bridge = MockServer::start().await;
        answers(&bridge, ResponseTemplate::new(answer)).await;
        let world = World::with(askable(&bridge.uri())).await;
        world.linked(USER_A, ALICE).await;
        let _jobs = start(&world);
        becomes(&world, expected).await;
        // Nothing is made of it.
        let connection = world.connections(USER_A).await.pop().unwrap();
        assert_eq!(
            (connection.status, connection.error),
            (Status::Connected, None)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_while_the_bridge_is_asked_has_it_asked_again() {
    let bridge = MockServer::start().await;
    let (asked, hears) = mpsc::channel();
    let (lets, may) = mpsc::channel();
    let held_back = HeldBack {
        asked: Mutex::new(asked),
        may: Mutex::new(may),
    };
    Mock::given(any())
        .respond_with(held_back)
        .mount(&bridge)
        .await;
    let world = World::with(askable(&bridge.uri())).await;
    world.linked(USER_A, ALICE).await;
    let _jobs = start(&world);
    eventually("it is asked", async || hears.try_recv().ok()).await;
    let body = json!({"state_event": "BAD_CREDENTIALS", "user_id": ALICE, "remote_id": "77"});
    let push = Push::read(&body, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
    // The first answer, and all others.
    drop(lets);
    becomes(&world, "done: confirmed").await;
    assert_eq!(bridge.received_requests().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_notices_that_a_bridge_is_gone_and_that_it_is_back() {
    let bridge = MockServer::start().await;
    answers(&bridge, ResponseTemplate::new(502)).await;
    let world = live::World::with(json!({"bridges": [{
        "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
        "ghosts": "@facebook_(?<id>.+):lab\\.local", "silent_after_seconds": 1,
        "provisioning_url": bridge.uri(), "provisioning_secret": "the-shared-secret",
    }]}))
    .await;
    world.connect("user_a", "@alice:lab.local").await;
    let rhythm = Rhythm {
        look: Duration::from_millis(20),
        pause: Duration::from_millis(20),
        most_misses: 3,
    };
    let stop = CancellationToken::new();
    for app in [Arc::clone(&world.app), world.replica()] {
        let asker = AskBridge {
            accounts: app.accounts.clone(),
            provisioning: Provisioning::new(&app.config.bridges).unwrap(),
        };
        tokio::spawn(silence::run(app, asker, rhythm, stop.clone()));
    }
    let _running = stop.drop_guard();
    let error = async || -> Option<String> {
        let mut conn = world.app.db.get().await.unwrap();
        let connections = tributary::db::read::connections::list(&mut conn, "user_a", None);
        connections.await.unwrap().pop().unwrap().error
    };
    let is_silent = async || {
        error()
            .await
            .filter(|error| error.starts_with("bridge_silent"))
    };
    eventually("it is silent", is_silent).await;
    answers(&bridge, connected("Alice")).await;
    eventually("it is back", async || error().await.is_none().then_some(())).await;
    // Each of the replicas told of each once, all together.
    let conn = world.app.db.get().await.unwrap();
    let entries = tributary::db::stream::after(&conn, "user_a", 0, 100);
    let kinds: Vec<_> = entries
        .await
        .unwrap()
        .iter()
        .map(|e| e.kind.unwrap().name())
        .collect();
    assert!(
        kinds.iter().all(|kind| *kind == "connection.status"),
        "{kinds:?}"
    );
    assert!((2..=3).contains(&kinds.len()), "{kinds:?}");
}

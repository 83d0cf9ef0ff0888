//! Discovery, against a homeserver whose answers take as long as a test wants.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use diesel_async::SimpleAsyncConnection as _;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tributary::{
    config,
    db::jobs::{JobState, NewJob},
    jobs::{Handlers, KindLimits, Runner, Timing, Waker, discover::Discover},
    matrix::client::{CallLimits, Homeserver},
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path_regex};

use crate::support::{
    eventually,
    world::{World, member},
};

const ALICE: &str = "@alice:lab.local";
const ROOM: &str = "!dm:lab.local";

/// `/state`: the first answer is held back, and is what was true when it was asked for.
struct HeldBack {
    asked: Arc<Notify>,
    go_on: Mutex<mpsc::Receiver<()>>,
    is_later: AtomicBool,
    before: Value,
    after: Value,
}

impl Respond for HeldBack {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        if self.is_later.swap(true, Ordering::SeqCst) {
            return ResponseTemplate::new(200).set_body_json(&self.after);
        }
        self.asked.notify_one();
        self.go_on.lock().unwrap().recv().unwrap();
        ResponseTemplate::new(200).set_body_json(&self.before)
    }
}

fn portal_with(alice: &Value) -> Value {
    let bridge = json!({
        "type": "m.bridge", "event_id": "$bridge", "sender": "@facebookbot:lab.local",
        "state_key": "k", "origin_server_ts": 1,
        "content": {
            "bridgebot": "@facebookbot:lab.local", "protocol": {"id": "facebookgo"},
            "channel": {"id": "2001", "fi.mau.receiver": "1001"},
        },
    });
    json!([bridge, alice])
}

fn start(world: &World, homeserver: &MockServer) -> CancellationToken {
    start_with(world, homeserver, config::Backfill::default())
}

fn start_with(
    world: &World,
    homeserver: &MockServer,
    backfill: config::Backfill,
) -> CancellationToken {
    let homeserver = config::Homeserver {
        url: homeserver.uri().parse().unwrap(),
        server_name: "lab.local".to_owned(),
    };
    let discover = Discover {
        ingest: world.ingest.clone(),
        homeserver: Homeserver::new(&homeserver, "as".into(), &CallLimits::default()).unwrap(),
        backfill,
    };
    let limits = KindLimits {
        concurrency: 1,
        max_attempts: None,
    };
    let stop = CancellationToken::new();
    let runner = Runner::new(
        world.db.clone(),
        Handlers::default().with(discover, limits),
        Waker::new(Arc::clone(&world.ingest.jobs)),
        Timing::default(),
        stop.clone(),
    );
    tokio::spawn(runner.run());
    stop
}

/// Has a room looked at, and waits until that is done.
async fn resolved(world: &World, room_id: &str) {
    let discover = NewJob {
        kind: "discover",
        key: room_id.to_owned(),
        payload: Map::new(),
    };
    let conn = world.db.get().await.unwrap();
    let jobs = tributary::db::jobs::enqueue(&conn, &[discover]).await;
    let id = jobs.unwrap()[0].id;
    world.ingest.jobs.notify_one();
    eventually("the room is resolved", async || {
        Some(super::get(&world.db, id).await).filter(|job| job.state == JobState::Done)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leave_is_not_undone_by_a_state_from_before_it() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    let joined = member(ROOM, "$join", ALICE, "join", "Alice");
    let mut left = member(ROOM, "$leave", ALICE, "leave", "Alice");
    left["unsigned"] = json!({"replaces_state": "$join"});
    world.push("1", std::slice::from_ref(&joined)).await;

    let (release, go_on) = mpsc::channel();
    let asked = Arc::new(Notify::new());
    let answers = HeldBack {
        asked: Arc::clone(&asked),
        go_on: Mutex::new(go_on),
        is_later: AtomicBool::new(false),
        before: portal_with(&joined),
        after: portal_with(&left),
    };
    let homeserver = MockServer::start().await;
    Mock::given(path_regex("/state$"))
        .respond_with(answers)
        .mount(&homeserver)
        .await;
    let stop = start(&world, &homeserver);
    let discover = NewJob {
        kind: "discover",
        key: ROOM.to_owned(),
        payload: Map::new(),
    };
    let conn = world.db.get().await.unwrap();
    let job = tributary::db::jobs::enqueue(&conn, &[discover])
        .await
        .unwrap()[0]
        .id;
    asked.notified().await;
    world.push("2", &[left]).await;
    release.send(()).unwrap();
    eventually("the room is resolved", async || {
        Some(super::get(&world.db, job).await).filter(|job| job.state == JobState::Done)
    })
    .await;

    let open = "SELECT count(*) FROM tributary.room_grants WHERE until_at IS NULL";
    assert_eq!(world.count(open).await, 0);
    stop.cancel();
}

/// The push of the leave was lost, and the room may be one that is switched off.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_only_the_state_tells_ends_access_when_it_was_received() {
    for enabled in [true, false] {
        let world = World::new().await;
        let alice = world.customer("alice", "1001").await;
        world.direct(ROOM, &alice, "1001", "2001").await;
        let mut left = member(ROOM, "$leave", ALICE, "leave", "Alice");
        left["unsigned"] = json!({"age": 3_600_000});
        let homeserver = MockServer::start().await;
        Mock::given(path_regex("/state$"))
            .respond_with(ResponseTemplate::new(200).set_body_json(portal_with(&left)))
            .mount(&homeserver)
            .await;
        let conn = world.db.get().await.unwrap();
        let switch = format!("UPDATE tributary.rooms SET enabled = {enabled}");
        (&*conn).batch_execute(&switch).await.unwrap();
        let stop = start(&world, &homeserver);
        resolved(&world, ROOM).await;
        let ended = "SELECT count(*) FROM tributary.room_grants
                     WHERE until_at < now() - interval '59 minutes'";
        assert_eq!(world.count(ended).await, 1, "{enabled}");
        stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_switched_is_heeded_when_a_room_is_mapped() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let mut joined = member(ROOM, "$join", ALICE, "join", "Alice");
    joined.as_object_mut().unwrap().remove("room_id");
    let homeserver = MockServer::start().await;
    let state = ResponseTemplate::new(200).set_body_json(portal_with(&joined));
    Mock::given(path_regex("/state$"))
        .respond_with(state)
        .mount(&homeserver)
        .await;
    let stop = start(&world, &homeserver);
    let conn = world.db.get().await.unwrap();
    for (room_id, switches, backfills) in [
        ("!on:lab.local", "true, true", 1),
        ("!when-asked:lab.local", "true, false", 0),
        ("!off:lab.local", "false, true", 0),
    ] {
        let note = format!(
            "INSERT INTO tributary.rooms (room_id, enabled, backfill) VALUES ('{room_id}', {switches})"
        );
        (&*conn).batch_execute(&note).await.unwrap();
        resolved(&world, room_id).await;
        let queued = format!(
            "SELECT count(*) FROM tributary.jobs WHERE kind = 'backfill' AND key = '{room_id}'"
        );
        assert_eq!(world.count(&queued).await, backfills, "{room_id}");
        let grants =
            format!("SELECT count(*) FROM tributary.room_grants WHERE room_id = '{room_id}'");
        assert_eq!(world.count(&grants).await, 1, "{room_id}");
        let members =
            format!("SELECT count(*) FROM tributary.state_events WHERE room_id = '{room_id}'");
        assert_eq!(
            world.count(&members).await > 0,
            room_id != "!off:lab.local",
            "{room_id}"
        );
    }
    stop.cancel();
}

/// The link is a day old. What came since then is the customer's also where the room was
/// found late.
#[tokio::test(flavor = "multi_thread")]
async fn unless_it_is_wanted_the_history_of_a_room_that_is_found_begins_with_the_link() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let conn = world.db.get().await.unwrap();
    let now = world.ingest.clock.now().timestamp_millis();
    for (room_id, hours, wanted) in [
        ("!older:lab.local", 25, r#"reconcile {"sinceLink": true}"#),
        (
            "!newer:lab.local",
            23,
            r#"backfill {"days": 30, "maxMessages": 5000}"#,
        ),
    ] {
        let create = json!({
            "type": "m.room.create", "event_id": format!("$create{room_id}"), "state_key": "",
            "sender": "@facebookbot:lab.local", "origin_server_ts": now - hours * 3_600_000,
            "content": {"room_version": "11"},
        });
        let mut joined = member(room_id, &format!("$join{room_id}"), ALICE, "join", "Alice");
        joined.as_object_mut().unwrap().remove("room_id");
        let mut state = portal_with(&joined);
        state[0]["content"]["channel"]["id"] = json!(room_id);
        state.as_array_mut().unwrap().push(create);
        let homeserver = MockServer::start().await;
        Mock::given(path_regex("/state$"))
            .respond_with(ResponseTemplate::new(200).set_body_json(state))
            .mount(&homeserver)
            .await;
        let backfill = config::Backfill {
            on_connect: false,
            ..config::Backfill::default()
        };
        let stop = start_with(&world, &homeserver, backfill);
        let note = format!("INSERT INTO tributary.rooms (room_id) VALUES ('{room_id}')");
        (&*conn).batch_execute(&note).await.unwrap();
        resolved(&world, room_id).await;
        let queued = format!(
            "SELECT count(*) FROM tributary.jobs
             WHERE key = '{room_id}' AND kind <> 'discover' AND kind || ' ' || payload::text = '{wanted}'"
        );
        assert_eq!(world.count(&queued).await, 1, "{room_id}");
        let all = format!("SELECT count(*) FROM tributary.jobs WHERE key = '{room_id}'");
        assert_eq!(world.count(&all).await, 2, "{room_id}");
        stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_bots_rooms_those_that_nobody_has_looked_at_are_to_be_discovered() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    let rooms = [ROOM.to_owned(), "!unknown:lab.local".to_owned()];
    let mut conn = world.db.get().await.unwrap();
    let found = tributary::db::rooms::to_discover(&mut conn, &rooms).await;
    assert_eq!(found.unwrap(), ["!unknown:lab.local"]);
}

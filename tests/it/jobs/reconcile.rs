//! What was never pushed, at any depth.

use diesel_async::SimpleAsyncConnection as _;
use serde_json::{Map, Value, json};
use tributary::db;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{
    walking::{self, History, done},
    world::{World, member, text},
};

const ROOM: &str = "!dm:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";
const MESSAGES: &str = "SELECT count(*) FROM tributary.messages";

/// A message of so many milliseconds ago.
fn aged(event_id: &str, age: i64) -> Value {
    let mut event = text(ROOM, event_id, CAROL, event_id);
    event["unsigned"]["age"] = json!(age);
    event
}

async fn world() -> World {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_is_found_behind_those_that_came_after_it() {
    let world = world().await;
    let history = History::default();
    // From before the mapping: that is for backfill.
    history.add((0..100).map(|n| aged(&format!("$older{n}"), 3_600_000)));
    let lost = (0..60).map(|n| aged(&format!("$lost{n}"), 0));
    history.add(lost);
    let newest: Vec<_> = (0..50).map(|n| aged(&format!("$newest{n}"), 0)).collect();
    world.push("1", &newest).await;
    history.add(newest);
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "reconcile", ROOM, Map::new()).await;
    assert_eq!(world.count(MESSAGES).await, 110);
    let back = ["b -", "b old.160", "b old.110"];
    let forth = ["f old.110", "f old.160", "f old.210"];
    assert_eq!(history.asked(), [back, forth].concat());
    let compared = "SELECT count(*) FROM tributary.rooms WHERE reconciled_at IS NOT NULL";
    assert_eq!(world.count(compared).await, 1);
}

/// It is on an older page than what was said behind it, and what is on the newest is told at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_was_lost_is_known_before_what_came_behind_it() {
    const GROUP: &str = "!g:lab.local";
    for behind in [5, 120] {
        let world = World::new().await;
        let alice = world.customer("alice", "1001").await;
        let bob = world.customer("bob", "1002").await;
        let members = [&*alice.matrix_user_id, &*bob.matrix_user_id, CAROL];
        world.group(GROUP, "3001", &members).await;
        let mut conn = world.db.get().await.unwrap();
        conn.batch_execute(
            "UPDATE tributary.messenger_connections SET linked_at = now() - interval '1 hour';
             UPDATE tributary.room_grants SET created_at = now() - interval '1 hour'",
        )
        .await
        .unwrap();
        let said = |event_id: &str, age: i64| {
            let mut event = text(GROUP, event_id, CAROL, event_id);
            event["origin_server_ts"] = json!(event["origin_server_ts"].as_i64().unwrap() - age);
            event["unsigned"]["age"] = json!(age);
            event
        };
        let mut leave = member(GROUP, "$leave", &bob.matrix_user_id, "leave", "Bob");
        leave["origin_server_ts"] = said("", 2_000)["origin_server_ts"].clone();
        leave["unsigned"]["age"] = json!(2_000);
        let history = History::default();
        history.add([said("$before", 3_000), leave]);
        history.add((0..behind).map(|n| said(&format!("${n}"), 1_500 - i64::from(n))));
        let homeserver = history.serve().await;
        let _jobs = walking::start(&world, &homeserver);
        done(&world, "reconcile", GROUP, Map::new()).await;
        let told = |user_id: &str| {
            format!(
                "SELECT count(*) FROM tributary.outbox
                 WHERE kind = 'message.created' AND user_id = '{user_id}'"
            )
        };
        assert_eq!(world.count(MESSAGES).await, i64::from(behind) + 1);
        let to_alice = world.count(&told(&alice.user_id)).await;
        assert_eq!(to_alice, i64::from(behind) + 1);
        assert_eq!(world.count(&told(&bob.user_id)).await, 1, "{behind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_was_compared_is_read_on_from_its_newest_page() {
    let world = world().await;
    let history = History::default();
    history.add((0..70).map(|n| aged(&format!("${n}"), 0)));
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    let compare = async || {
        done(&world, "reconcile", ROOM, Map::new()).await;
        (world.count(MESSAGES).await, history.asked())
    };
    let (stored, asked) = compare().await;
    assert_eq!(stored, 70);
    assert_eq!(asked, ["b -", "b old.20", "f old.20", "f old.70"]);
    history.add((70..180).map(|n| aged(&format!("${n}"), 0)));
    let (stored, asked) = compare().await;
    assert_eq!(stored, 180);
    assert_eq!(
        asked,
        [
            "f old.20",
            "f old.70",
            "f old.120",
            "f old.170",
            "f old.180"
        ]
    );
    // Its newest page once more: of two that are sent at once the first may come last.
    let (stored, asked) = compare().await;
    assert_eq!(
        (stored, asked),
        (180, vec!["f old.170".into(), "f old.180".into()])
    );
    history.forget_tokens();
    history.add([aged("$last", 0)]);
    let (stored, asked) = compare().await;
    assert_eq!(stored, 181);
    assert_eq!(asked[..2], ["f old.170", "b -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_was_found_late_is_read_back_to_the_link() {
    const HOUR: i64 = 3_600_000;
    let world = world().await;
    let history = History::default();
    // The link is a day old; the room was mapped just now.
    history.add((0..60).map(|n| aged(&format!("$before{n}"), 25 * HOUR)));
    history.add((0..60).map(|n| aged(&format!("$after{n}"), 23 * HOUR)));
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "reconcile", ROOM, Map::new()).await;
    assert_eq!(world.count(MESSAGES).await, 0);
    let since_link = Map::from_iter([("sinceLink".to_owned(), json!(true))]);
    done(&world, "reconcile", ROOM, since_link).await;
    assert_eq!(world.count(MESSAGES).await, 60);
}

/// What came while nobody was there is not theirs who come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_which_nobody_saw_the_room_is_not_read() {
    let world = world().await;
    let history = History::default();
    history.add([aged("$seen", 0)]);
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "reconcile", ROOM, Map::new()).await;
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        "UPDATE tributary.rooms SET reconciled_at = now() - interval '1 hour', reconcile_token = 'old.0'",
    )
    .await
    .unwrap();
    history.asked();
    done(&world, "reconcile", ROOM, Map::new()).await;
    assert_eq!(history.asked(), ["b -"]);
}

/// Synapse leaves out what the asker may not see, and says where it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_which_nothing_may_be_seen_is_not_the_last() {
    let world = world().await;
    let history = History::default();
    history.add([aged("$seen", 0)]);
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "reconcile", ROOM, Map::new()).await;
    let position = "UPDATE tributary.rooms SET reconcile_token = 'old.0'";
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(position).await.unwrap();
    let hidden: Vec<_> = (0..120).map(|n| aged(&format!("$hidden{n}"), 0)).collect();
    history.hide(&hidden);
    history.add(hidden);
    history.add([aged("$lost", 0)]);
    done(&world, "reconcile", ROOM, Map::new()).await;
    assert_eq!(world.count(MESSAGES).await, 2);
}

/// It would be due for ever, before all others.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_nobody_of_ours_is_in_counts_as_compared() {
    let world = world().await;
    let homeserver = MockServer::start().await;
    let forbidden = json!({"errcode": "M_FORBIDDEN", "error": "not in the room"});
    Mock::given(any())
        .respond_with(ResponseTemplate::new(403).set_body_json(forbidden))
        .mount(&homeserver)
        .await;
    let _jobs = walking::start(&world, &homeserver);
    let due = async || {
        let conn = world.db.get().await.unwrap();
        let since = chrono::DateTime::UNIX_EPOCH;
        db::reconcile::due(&conn, since, 900, 9).await.unwrap()
    };
    assert_eq!(due().await, [ROOM]);
    done(&world, "reconcile", ROOM, Map::new()).await;
    assert!(due().await.is_empty());
}

/// What came since a backup was taken is no history.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_nothing_fills_is_read_back_to_a_time_and_no_further() {
    const MINUTE: i64 = 60_000;
    let world = world().await;
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        "UPDATE tributary.rooms SET backfill = false;
         UPDATE tributary.room_grants SET created_at = now() - interval '1 day'",
    )
    .await
    .unwrap();
    assert_eq!(db::reconcile::unfilled(&conn).await.unwrap(), [ROOM]);
    let history = History::default();
    history.add((0..60).map(|n| aged(&format!("$history{n}"), 40 * MINUTE)));
    history.add((0..70).map(|n| aged(&format!("$lost{n}"), 20 * MINUTE)));
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    let taken_at = world.ingest.clock.now() - chrono::TimeDelta::minutes(30);
    let since = Map::from_iter([(
        db::reconcile::SINCE.to_owned(),
        json!(taken_at.to_rfc3339()),
    )]);
    done(&world, "reconcile", ROOM, since).await;
    assert_eq!(world.count(MESSAGES).await, 70);
    let lost = format!("{MESSAGES} WHERE event_id LIKE '$lost%'");
    assert_eq!(world.count(&lost).await, 70);
}

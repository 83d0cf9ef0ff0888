//! Dead letters that a page of history makes good.

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl as _;
use serde_json::{Map, Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path_regex};

use crate::support::{
    walking::{self, done, span},
    world::{World, text},
};

const ROOM: &str = "!dm:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";

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
async fn walk(kind: &'static str, payload: Map<String, Value>) {
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
    let _jobs = walking::start(&world, &homeserver);
    done(&world, kind, ROOM, payload).await;
    assert_eq!(letters(&world).await, before[..2], "{kind}");
    let stored = "SELECT count(*) FROM tributary.messages WHERE body = 'after all'";
    assert_eq!(world.count(stored).await, 1, "{kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_removes_the_letters_that_it_makes_good() {
    walk("backfill", span(30, 100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciling_removes_the_letters_that_it_makes_good() {
    walk("reconcile", Map::new()).await;
}

/// As of messages: an older interval may be what somebody has had erased.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_time_that_nobody_may_see_no_letter_is_kept() {
    const HOUR: i64 = 3_600_000;
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    sql_query("UPDATE tributary.room_grants SET from_at = now() - interval '1 hour'")
        .execute(&mut world.db.get().await.unwrap())
        .await
        .unwrap();
    let chunk: Vec<_> = [("$new", 0), ("$old", 2 * HOUR)]
        .into_iter()
        .flat_map(|(event_id, age)| {
            let mut unfoldable = text(ROOM, event_id, CAROL, "x");
            unfoldable["content"]["body"] = json!(5);
            unfoldable["unsigned"]["age"] = json!(age);
            let mut undecodable = unfoldable.clone();
            undecodable["event_id"] = json!(format!("{event_id}-undecodable"));
            undecodable["sender"] = json!(7);
            [unfoldable, undecodable]
        })
        .collect();
    let homeserver = MockServer::start().await;
    Mock::given(path_regex("/messages$"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"start": "a", "chunk": chunk})),
        )
        .mount(&homeserver)
        .await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "backfill", ROOM, span(30, 100)).await;
    let kept = letters(&world).await;
    let kept: Vec<_> = kept.iter().map(|letter| letter.split(' ').next()).collect();
    assert_eq!(kept, [Some("$new"), Some("$new-undecodable")]);
}

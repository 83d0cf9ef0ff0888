//! In the middle of an erasure everything is whole, for everybody.

use std::{sync::Arc, time::Duration};

use serde_json::{json, value::to_raw_value};
use tributary::{
    db::jobs::{self, JobState},
    erasure::Step,
    ingest,
    jobs::{Handlers, KindLimits, Runner, Timing, Waker, erase::Erase},
};

use super::{DM, FRIEND, GROUP, edit, finish, pending, reaction, receipt, sees, step, steps_of};
use crate::{
    accounts::world::{ALICE, BOB, BOT, USER_A, USER_B, World},
    support::eventually,
};

/// A group of which Bob saw the first half, and a chat that is Alice's alone. What came
/// when Bob had left is called private. Returns Alice's connection.
async fn half_seen(world: &World) -> uuid::Uuid {
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    let b = world.linked(USER_B, BOB).await;
    let say = async |room: &str, kind: &str, content| {
        world.event(room, FRIEND, kind, None, content).await
    };
    let mut seen = Vec::new();
    for n in 0..4 {
        let event_id = world.message(GROUP, FRIEND, &format!("both {n}")).await;
        say(
            GROUP,
            "m.room.message",
            edit(&event_id, &format!("seen{n}")),
        )
        .await;
        say(GROUP, "m.reaction", reaction(&event_id, "seen")).await;
        seen.push(event_id);
    }
    world
        .accounts
        .disconnect(USER_B, b.id, false, None)
        .await
        .unwrap();
    for (n, event_id) in seen.iter().enumerate() {
        for m in 0..2 {
            let body = format!("private{n}{m}");
            say(GROUP, "m.room.message", edit(event_id, &body)).await;
        }
        say(GROUP, "m.reaction", reaction(event_id, "private")).await;
    }
    let answer = json!({
        "msgtype": "m.text", "body": "private answer",
        "m.relates_to": {"m.in_reply_to": {"event_id": seen[0]}},
    });
    let answer = say(GROUP, "m.room.message", answer).await;
    say(GROUP, "m.reaction", reaction(&answer, "private")).await;
    for room in [GROUP, DM] {
        for n in 0..6 {
            world.message(room, FRIEND, &format!("private {n}")).await;
        }
        say(
            room,
            "m.room.message",
            json!({"msgtype": "private", "body": 5}),
        )
        .await;
    }
    world
        .join(DM, FRIEND, "private name", "mxc://lab.local/private")
        .await;
    a.id
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_leaves_everything_whole_and_a_kill_loses_nothing() {
    let world = World::new().await;
    let a = half_seen(&world).await;
    let before = sees(&world, USER_B).await;
    assert_eq!(before[0]["messages"].as_array().unwrap().len(), 4);
    assert_eq!(before[0]["messages"][0][0]["body"], "seen3");
    let seen = world.position(USER_B).await;
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone.disconnect(USER_A, a, true, None).await.unwrap();
    let id = pending(&world).await;
    let erasure = steps_of(&world, 1);
    let mut steps = 0;
    loop {
        assert_eq!(sees(&world, USER_A).await, json!([]), "after {steps} steps");
        assert_eq!(sees(&world, USER_B).await, before, "after {steps} steps");
        assert_eq!(step(&world, &erasure, id, true).await, None);
        steps += 1;
        if step(&world, &erasure, id, false).await == Some(Step::Done) {
            break;
        }
    }
    assert!(steps > 20, "{steps}");
    assert_eq!(sees(&world, USER_B).await, before);
    assert_eq!(world.tables_with("private").await, [""; 0]);
    assert_eq!(world.position(USER_B).await, seen);
    assert_eq!(world.count("erasure_rooms").await, 0);
    // 13 messages, two edits with a picture of each of Bob's four, and that of a person.
    assert_eq!(receipt(&world).await, "connection 2 13 9 2");
    // Afterwards there is nothing that it could do again.
    assert_eq!(finish(&world, 1, id).await, 1);
    let ends =
        "SELECT details ->> 'messages' AS t FROM tributary.audit WHERE action = 'erasure.end'";
    assert_eq!(world.texts(ends).await, ["13"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_goes_on_where_a_killed_one_was() {
    let world = World::new().await;
    let a = half_seen(&world).await;
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone.disconnect(USER_A, a, true, None).await.unwrap();
    let id = pending(&world).await;
    let total = world.count("messages").await;
    let timing = Timing {
        lease: Duration::from_secs(1),
        poll: Duration::from_millis(20),
        grace: Duration::from_secs(1),
    };
    let run = || {
        let erase = Erase {
            erasure: steps_of(&world, 1),
        };
        let limits = KindLimits {
            concurrency: 1,
            max_attempts: None,
        };
        let stop = tokio_util::sync::CancellationToken::new();
        let handlers = Handlers::default().with(erase, limits);
        let waker = Waker::new(Arc::default());
        let runner = Runner::new(world.db.clone(), handlers, waker, timing, stop);
        tokio::spawn(runner.run())
    };
    let killed = run();
    eventually("it has begun", async || {
        (world.count("messages").await < total).then_some(())
    })
    .await;
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    let other = run();
    let conn = world.db.get().await.unwrap();
    let filter = jobs::Filter {
        kind: Some("erase"),
        state: Some(JobState::Done),
        ..jobs::Filter::default()
    };
    let job = eventually("the job is done", async || {
        jobs::list(&conn, filter, 1).await.unwrap().pop()
    })
    .await;
    other.abort();
    assert_eq!(
        (job.key, job.reason.as_deref()),
        (id.to_string(), Some("erased"))
    );
    assert_eq!(world.tables_with("private").await, [""; 0]);
    assert_eq!(receipt(&world).await, "connection 2 13 9 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_only_wait_for_each_other() {
    let world = World::new().await;
    let a = half_seen(&world).await;
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone.disconnect(USER_A, a, true, None).await.unwrap();
    let id = pending(&world).await;
    let erasure = steps_of(&world, 1);
    let patience = Duration::from_mins(1);
    tokio::join!(erasure.run_for(id, patience), erasure.run_for(id, patience));
    assert_eq!(world.tables_with("private").await, [""; 0]);
    assert_eq!(receipt(&world).await, "connection 2 13 9 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_does_not_come_back() {
    let world = World::new().await;
    let a = half_seen(&world).await;
    // A page that the homeserver has answered with, and that is not stored yet.
    let page = |body: &str| {
        let event = json!({
            "event_id": "$in-flight", "room_id": DM, "sender": FRIEND, "type": "m.room.message",
            "origin_server_ts": world.now().timestamp_millis(), "unsigned": {"age": 0},
            "content": {"msgtype": "m.text", "body": body},
        });
        let mut batch = ingest::Batch::default();
        batch.decode(&to_raw_value(&event).unwrap(), Some(DM), world.now());
        batch
    };
    let store = async |batch| {
        use diesel_async::AsyncConnection as _;
        let mut conn = world.db.get().await.unwrap();
        let bridges = &world.ingest.bridges;
        let prepared = conn.prepare().await.unwrap();
        conn.transaction(async |conn| {
            ingest::store_page(conn, prepared, bridges, DM, batch, |_| Vec::new()).await
        })
        .await
        .unwrap()
        .new_messages
    };
    let (early, late, latest) = (page("private"), page("private"), page("private"));
    assert_eq!(store(early).await, 1);
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone.disconnect(USER_A, a, true, None).await.unwrap();
    let id = pending(&world).await;
    let erasure = steps_of(&world, 1);
    step(&world, &erasure, id, false).await;
    assert_eq!(store(late).await, 0);
    world.message(DM, FRIEND, "private push").await;
    world.message(GROUP, FRIEND, "private push").await;
    world
        .event(
            DM,
            FRIEND,
            "m.room.message",
            None,
            json!({"msgtype": "private", "body": 5}),
        )
        .await;
    let redaction = json!({"redacts": "$gone", "reason": "private"});
    world
        .event(DM, FRIEND, "m.room.redaction", None, redaction)
        .await;
    finish(&world, 1, id).await;
    assert_eq!(store(latest).await, 0);
    world.message(DM, FRIEND, "private push").await;
    assert_eq!(world.tables_with("private").await, [""; 0]);
    assert_eq!(world.count("redactions").await, 0);
    let room = format!("dead_letters WHERE room_id = '{DM}'");
    assert_eq!(world.count(&room).await, 0);
}

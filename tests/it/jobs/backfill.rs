//! Walking back: to the limits, further later on, and over again for whoever comes.

use std::time::Instant;

use diesel_async::SimpleAsyncConnection as _;
use serde_json::{Value, json};

use crate::support::{
    eventually,
    walking::{self, History, done, span},
    world::{World, member, text},
};

const ROOM: &str = "!dm:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";
const DAY: i64 = 24 * 60 * 60 * 1000;
const MESSAGES: &str = "SELECT count(*) FROM tributary.messages";

/// A message of so many days ago.
fn message(n: i64, days: i64) -> Value {
    let mut event = text(ROOM, &format!("${n}"), CAROL, "hello");
    event["unsigned"]["age"] = json!(days * DAY);
    event["origin_server_ts"] = json!(event["origin_server_ts"].as_i64().unwrap() - days * DAY);
    event
}

/// Alice's room, and twelve messages, one of each day, the newest of today.
async fn world() -> (World, History) {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    let history = History::default();
    history.add((0..12).rev().map(|days| message(days, days)));
    (world, history)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_walk_goes_on_where_the_one_before_has_ended() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    let walk = async |days, max| {
        let job = done(&world, "backfill", ROOM, span(days, max)).await;
        let fetched = job.progress["fetched"].as_u64();
        (
            job.reason.unwrap(),
            fetched,
            world.count(MESSAGES).await,
            history.asked(),
        )
    };
    let (reason, fetched, stored, asked) = walk(30, 7).await;
    assert_eq!((reason.as_str(), fetched, stored), ("messages", Some(7), 7));
    assert_eq!(asked, ["b -", "b old.7"]);
    // No further: nothing is asked.
    let (reason, fetched, stored, asked) = walk(30, 7).await;
    assert_eq!((reason.as_str(), fetched, stored), ("messages", None, 7));
    assert!(asked.is_empty(), "{asked:?}");
    // From the page on of which something was left out.
    let (reason, fetched, stored, asked) = walk(30, 100).await;
    assert_eq!((reason.as_str(), fetched, stored), ("start", Some(7), 12));
    assert_eq!(asked, ["b old.7", "b old.2"]);
    let (reason, .., asked) = walk(365, 1000).await;
    assert_eq!((reason.as_str(), asked.len()), ("start", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_days_go_on_where_fewer_have_ended() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    let walk = async |days| {
        let job = done(&world, "backfill", ROOM, span(days, 1000)).await;
        (
            job.reason.unwrap(),
            world.count(MESSAGES).await,
            history.asked(),
        )
    };
    // The second page has one message that is young enough, the third none.
    let (reason, stored, asked) = walk(6).await;
    assert_eq!((reason.as_str(), stored), ("days", 6));
    assert_eq!(asked, ["b -", "b old.7", "b old.2"]);
    let (reason, stored, asked) = walk(6).await;
    assert_eq!((reason.as_str(), stored, asked.len()), ("days", 6, 0));
    let (reason, stored, asked) = walk(90).await;
    assert_eq!((reason.as_str(), stored), ("start", 12));
    assert_eq!(asked, ["b old.7", "b old.2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_whose_token_is_forgotten_starts_from_now() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "backfill", ROOM, span(30, 7)).await;
    history.forget_tokens();
    history.asked();
    let job = done(&world, "backfill", ROOM, span(30, 100)).await;
    assert_eq!(job.reason.as_deref(), Some("start"));
    assert_eq!(history.asked(), ["b old.7", "b -", "b new.7", "b new.2"]);
    assert_eq!(world.count(MESSAGES).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_over_fetches_what_was_on_its_way_as_one_page() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "backfill", ROOM, span(30, 5)).await;
    assert_eq!(history.asked(), ["b -"]);
    // As if it had died when the second page was not committed and the third fetched.
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        r#"UPDATE tributary.jobs SET state = 'queued', finished_at = NULL, attempts = 1,
               payload = '{"days": 30, "maxMessages": 100}'"#,
    )
    .await
    .unwrap();
    world.ingest.jobs.notify_one();
    eventually("it was not taken over", async || {
        (world.count(MESSAGES).await == 12).then_some(())
    })
    .await;
    assert_eq!(history.asked(), ["b old.7"]);
}

/// What the first walk has read and stored is told as before; the second one begins anew.
#[tokio::test(flavor = "multi_thread")]
async fn asking_while_it_runs_takes_back_nothing_that_was_told() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    // How far another asker wants it to go when this one's walk has its first page in hand.
    let walk = async |max, then| {
        let mut holder = world.db.get().await.unwrap();
        let hold = "BEGIN; LOCK TABLE tributary.messages IN EXCLUSIVE MODE";
        holder.batch_execute(hold).await.unwrap();
        let ask = async |max| walking::ask(&world, "backfill", ROOM, span(30, max)).await;
        let id = ask(max).await;
        eventually("it was not begun", async || {
            (!history.asked().is_empty()).then_some(())
        })
        .await;
        assert_eq!(ask(then).await, id);
        assert!(walking::job(&world, id).await.again);
        holder.batch_execute("ROLLBACK").await.unwrap();
        let job = walking::ended(&world, id).await;
        let told = ["fetched", "stored", "oldestAt"].map(|key| job.progress[key].clone());
        (job.reason.unwrap(), told, history.asked())
    };
    // No further: there is nothing left to do.
    let (reason, [fetched, stored, oldest], _) = walk(3, 3).await;
    assert_eq!(
        (reason.as_str(), fetched, stored),
        ("messages", json!(3), json!(3))
    );
    assert!(oldest.is_string());
    // Further: the page of which something was left out is read a second time.
    let (reason, [fetched, stored, further], asked) = walk(8, 100).await;
    assert_eq!((reason.as_str(), stored), ("start", json!(9)));
    assert_eq!(
        (fetched, asked.last()),
        (json!(8 + 7), Some(&"b old.2".to_owned()))
    );
    assert!(further.as_str() < oldest.as_str(), "{further} {oldest}");
}

/// What was received before somebody came back is not theirs, and was not kept.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_gains_access_has_the_room_walked_again() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "backfill", ROOM, span(30, 100)).await;
    history.asked();
    world.customer("bob", "1002").await;
    let join = member(ROOM, "$bob", "@bob:lab.local", "join", "Bob");
    world.push("bob", &[join]).await;
    done(&world, "backfill", ROOM, span(30, 100)).await;
    assert_eq!(history.asked(), ["b -", "b old.7", "b old.2"]);
}

/// The homeserver may be away when it begins again.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_was_forgotten_begins_again_whatever_comes_between() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    done(&world, "backfill", ROOM, span(30, 5)).await;
    history.asked();
    history.fail(1);
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        r#"DELETE FROM tributary.walks; DELETE FROM tributary.messages;
           UPDATE tributary.jobs SET state = 'queued', finished_at = NULL,
               payload = '{"days": 30, "maxMessages": 100}'"#,
    )
    .await
    .unwrap();
    world.ingest.jobs.notify_one();
    eventually("it was not walked again", async || {
        (world.count(MESSAGES).await == 12).then_some(())
    })
    .await;
    let asked = history.asked();
    assert!(asked.len() > 2 && !asked[1].contains("old.7"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_beginning_and_its_end_are_written_down_and_told() {
    let (world, history) = world().await;
    let homeserver = history.serve().await;
    let _jobs = walking::start(&world, &homeserver);
    let began = Instant::now();
    let job = done(&world, "backfill", ROOM, span(30, 100)).await;
    let seconds = i64::try_from(began.elapsed().as_secs()).unwrap();
    for (action, outcome) in [("job.start", "ok"), ("job.end", "done")] {
        let rows = format!(
            "SELECT count(*) FROM tributary.audit
             WHERE actor = 'tributary' AND action = '{action}' AND outcome = '{outcome}'
               AND target = '{}' AND details ->> 'key' = '{ROOM}'",
            job.id
        );
        assert_eq!(world.count(&rows).await, 1, "{action}");
    }
    // Of three pages in less than a second the first is told, and the end; of slower ones one more
    // each second.
    let told = "SELECT count(*) FROM tributary.outbox WHERE kind = 'backfill.progress'";
    let told = world.count(told).await;
    assert!((2..=2 + seconds).contains(&told), "{told} in {seconds} s");
    let last = "SELECT count(*) FROM tributary.outbox o WHERE kind = 'backfill.progress'
                AND position = (SELECT max(position) FROM tributary.outbox)";
    assert_eq!(world.count(last).await, 1);
}

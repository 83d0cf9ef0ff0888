//! What folding costs: a number of statements that neither the number of events
//! nor the length of the history changes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_async::AsyncConnection as _;
use tributary::db::Database;

use super::*;
use crate::support::world::World;

/// Counts the statements of one connection.
struct Counter(Arc<AtomicUsize>);

impl Instrumentation for Counter {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { .. } = event {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// `size` events of all kinds; each tenth of them is the same mixture.
fn mixed(batch: &str, size: usize) -> Vec<Value> {
    let id = |n: usize| format!("${batch}-{n}");
    let of = |n: usize| -> Value {
        match n % 10 {
            0..=2 => text(ROOM, GHOST, &id(n), "hello"),
            3 => edit(GHOST, &id(n), &id(n - 3), "edited"),
            4 => reaction(FRIEND, &id(n), &id(n - 3), "a"),
            5 => redaction(ROOM, GHOST, &id(n), &id(n - 3)),
            6 => event(
                "m.room.message",
                GHOST,
                &id(n),
                &json!({
                    "msgtype": "m.image", "body": "a.jpg", "url": format!("mxc://lab.local/{batch}{n}"),
                }),
            ),
            7 => redaction(ROOM, GHOST, &id(n), &id(n - 1)),
            8 => event(
                "m.room.message",
                GHOST,
                &id(n),
                &json!({"msgtype": "m.text", "body": n}),
            ),
            _ => {
                let mut name = event("m.room.name", GHOST, &id(n), &json!({"name": id(n)}));
                name["state_key"] = json!("");
                name
            }
        }
    };
    (0..size).map(of).collect()
}

#[expect(clippy::print_stdout, reason = "the figures are wanted")]
#[tokio::test(flavor = "multi_thread")]
async fn folding_takes_as_many_statements_for_a_hundred_events_as_for_ten() {
    let app = shared_room().await;
    // A connection of its own, which nobody else sends statements on.
    let world = World::on(Database::new(&app.database.url, 1).unwrap());
    let all = Arc::new(AtomicUsize::new(0));
    let mut conn = world.db.get().await.unwrap();
    conn.prepare().await.unwrap();
    conn.set_instrumentation(Counter(Arc::clone(&all)));
    drop(conn);
    let sent = async |id: &str, events: &[Value]| {
        let counter = || all.load(Ordering::SeqCst);
        world.db.ping().await.unwrap();
        let before = counter();
        world.push(id, events).await;
        counter() - before
    };
    let first = sent("1", &mixed("a", 100)).await;
    let short = sent("2", &mixed("b", 10)).await;
    for n in 0..20 {
        let more: Vec<_> = (0..100)
            .map(|i| text(ROOM, GHOST, &format!("$h{n}-{i}"), "history"))
            .collect();
        world.push(&format!("h{n}"), &more).await;
    }
    let later = sent("3", &mixed("c", 100)).await;
    println!("statements for 100, 10 and again 100 mixed events: {first}, {short}, {later}");
    // When a room last had an event is remembered once a second, by a statement of its own.
    // Either of the two may be the one that has it.
    assert!(later.abs_diff(short) <= 1, "{short}, {later}");
    // Somebody who speaks for the first time may change the titles.
    assert!((later..=later + 5).contains(&first), "{first}");
    let plain = sent("4", &[text(ROOM, GHOST, "$plain", "hello")]).await;
    println!("statements for one text message: {plain}");
    assert!(plain < 20, "{plain}");
}

/// A part of each statement that goes out together with others, which must not overtake it.
const TOGETHER: [&str; 11] = [
    "pg_advisory_xact_lock",
    "INSERT INTO tributary.message_versions AS v",
    "INSERT INTO tributary.reactions",
    "SET has_spoken",
    "INSERT INTO tributary.messages",
    "DELETE FROM tributary.messages m USING unnest",
    "SET deleted_at = f.at",
    "SET unread_count = CASE",
    "SET last_event_at = now()",
    "INSERT INTO tributary.outbox",
    "AS w(user_id, message_id)",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_together_is_prepared_before_the_first_of_it() {
    let app = shared_room().await;
    let world = World::on(Database::new(&app.database.url, 1).unwrap());
    let before = prepared(&world).await;
    let _listener = world.ingest.feed.subscribe("user_alice");
    world.push("1", &mixed("a", 20)).await;
    let own = text(ROOM, ALICE, "$own", "hello");
    world
        .push("2", &[own, text(ROOM, GHOST, "$theirs", "hello")])
        .await;
    let after = prepared(&world).await;
    assert!(after.len() > before.len());
    let new: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
    for part in TOGETHER {
        assert!(before.iter().any(|it| it.contains(part)), "{part}");
        assert!(!new.iter().any(|it| it.contains(part)), "{part}");
    }
}

/// What the one connection has prepared.
async fn prepared(world: &World) -> Vec<String> {
    use diesel_async::RunQueryDsl as _;
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        statement: String,
    }
    let mut conn = world.db.get().await.unwrap();
    conn.prepare().await.unwrap();
    let rows: Vec<Row> = diesel::sql_query("SELECT statement FROM pg_prepared_statements")
        .load(&mut conn)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.statement).collect()
}

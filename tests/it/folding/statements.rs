//! What folding costs: a number of statements that neither the number of events
//! nor the length of the history changes.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use tributary::db::Database;

use super::*;
use crate::support::world::World;

/// Statements sent, by the database's name: the tests share a program.
static SENT: LazyLock<Mutex<HashMap<String, Arc<AtomicUsize>>>> = LazyLock::new(Mutex::default);

/// Counts the statements of one connection.
#[derive(Default)]
struct Counter(Option<Arc<AtomicUsize>>);

impl Instrumentation for Counter {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                let name = url.rsplit('/').next().unwrap_or_default().to_owned();
                self.0 = Some(Arc::clone(SENT.lock().unwrap().entry(name).or_default()));
            }
            InstrumentationEvent::StartQuery { .. } => {
                if let Some(sent) = &self.0 {
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            }
            _ => {}
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as diesel wants it")]
fn counter() -> Option<Box<dyn Instrumentation>> {
    Some(Box::<Counter>::default())
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
    set_default_instrumentation(counter).unwrap();
    let app = shared_room().await;
    let url = secrecy::ExposeSecret::expose_secret(&app.database.url);
    let name = url.rsplit('/').next().unwrap().to_owned();
    // A connection of its own, which nobody else sends statements on.
    let world = World::on(Database::new(&app.database.url, 1).unwrap());
    let sent = async |id: &str, events: &[Value]| {
        let counter = || SENT.lock().unwrap()[&name].load(Ordering::SeqCst);
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
    assert_eq!(short, later);
    // Somebody who speaks for the first time may change the titles.
    assert!((later..=later + 4).contains(&first), "{first}");
    let plain = sent("4", &[text(ROOM, GHOST, "$plain", "hello")]).await;
    println!("statements for one text message: {plain}");
    assert!(plain < 20, "{plain}");
}

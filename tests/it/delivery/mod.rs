//! Writers, readers that drop out, and replicas that are killed: what a reader has
//! received is what the database holds.
//!
//! The replicas are processes of the real program. `TRIBUTARY_TEST_DELIVERIES` says how
//! many frames the readers get in all, `TRIBUTARY_TEST_READERS` how many read for each
//! customer, `TRIBUTARY_TEST_SEED` what happens.

mod fleet;
mod reader;
mod writer;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Bool, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tributary::db::Database;
use uuid::Uuid;

use self::{
    fleet::Fleet,
    reader::{Reader, Received},
    writer::Writer,
};
use crate::support::{postgres::TestDatabase, world::World};

const CUSTOMERS: [&str; 3] = ["alice", "bob", "carol"];
/// For each customer; a replica lets a user have 20 sockets.
const READERS: u64 = 3;
const WRITERS: usize = 4;
/// At least so many, and one for so many deliveries.
const KILLS: u64 = 6;
const DELIVERIES_TO_A_KILL: u64 = 20_000;
const DELIVERIES: u64 = 6_000;
/// For so many deliveries, on a machine that has better things to do.
const PATIENCE: Duration = Duration::from_mins(4);

/// Who is in which room, by the customer's number.
const ROOMS: [&[usize]; 6] = [&[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]];

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reader_has_received_what_the_database_holds() {
    let deliveries = setting("TRIBUTARY_TEST_DELIVERIES", DELIVERIES);
    let seed = setting("TRIBUTARY_TEST_SEED", rand::random());
    let each = usize::try_from(setting("TRIBUTARY_TEST_READERS", READERS)).unwrap();
    note(&format!(
        "{deliveries} deliveries, {each} readers for each customer, seed {seed}"
    ));
    let begun = Instant::now();
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let users = people(&World::on(pool.clone())).await;
    let fleet = Arc::new(Fleet::start(&database).await);

    let received = Arc::new(AtomicU64::new(0));
    let (end, ended) = watch::channel(None);
    let mut readers = JoinSet::new();
    for nth in 0..CUSTOMERS.len() * each {
        let reader = Reader {
            fleet: Arc::clone(&fleet),
            user_id: users[nth % CUSTOMERS.len()].clone(),
            random: StdRng::seed_from_u64(seed ^ (1000 + nth as u64)),
            received: Arc::clone(&received),
            end: ended.clone(),
        };
        readers.spawn(reader.read());
    }
    let (stop, stopped) = watch::channel(false);
    let mut writers = JoinSet::new();
    for nth in 0..WRITERS {
        let random = StdRng::seed_from_u64(seed ^ nth as u64);
        let writer = Writer::new(Arc::clone(&fleet), nth, random, stopped.clone());
        writers.spawn(writer.write());
    }
    let kills = KILLS.max(deliveries / DELIVERIES_TO_A_KILL);
    kill_now_and_then(&fleet, &received, (deliveries, kills), seed).await;
    stop.send_replace(true);
    let pushed: usize = writers.join_all().await.into_iter().sum();
    let truth = truth(&pool).await;
    let heads: HashMap<_, _> = truth
        .iter()
        .map(|(user_id, frames)| (user_id.clone(), length(frames)))
        .collect();
    end.send_replace(Some(heads));
    let shown = shown(&pool).await;
    for (user_id, received) in readers.join_all().await {
        check(&user_id, &received, &truth[&user_id], &shown);
    }
    note(&format!(
        "{pushed} events pushed, {} frames received in {:.1?}, over {kills} kills",
        so_far(&received),
        begun.elapsed(),
    ));
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs it for long")]
fn note(text: &str) {
    println!("{text}");
}

async fn people(world: &World) -> Vec<String> {
    let mut customers = Vec::new();
    for (nth, name) in CUSTOMERS.iter().enumerate() {
        customers.push(world.customer(name, &format!("100{nth}")).await);
    }
    for (nth, members) in ROOMS.iter().enumerate() {
        let friends = [writer::CAROL.to_owned(), writer::DAVE.to_owned()];
        let customers = members.iter().map(|&who| &customers[who].matrix_user_id);
        let members: Vec<_> = customers.chain(&friends).map(String::as_str).collect();
        world
            .group(&writer::room(nth), &nth.to_string(), &members)
            .await;
    }
    customers.into_iter().map(|one| one.user_id).collect()
}

fn so_far(received: &AtomicU64) -> u64 {
    received.load(Ordering::Relaxed)
}

/// Kills a replica after each part of the deliveries.
async fn kill_now_and_then(
    fleet: &Fleet,
    received: &AtomicU64,
    (deliveries, kills): (u64, u64),
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let times = u32::try_from(deliveries.div_ceil(DELIVERIES)).unwrap();
    let deadline = Instant::now() + PATIENCE * times;
    for part in 1..=kills + 1 {
        let enough = deliveries * part / (kills + 1);
        while so_far(received) < enough {
            let in_time = Instant::now() < deadline;
            assert!(in_time, "only {} of {enough}", so_far(received));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if part <= kills {
            fleet.kill(random.random_range(0..fleet::REPLICAS)).await;
        }
    }
}

/// A frame as it was written.
type Written = (String, Option<Uuid>);

fn length<T>(frames: &[T]) -> i64 {
    i64::try_from(frames.len()).unwrap()
}

/// Every viewer's stream; its positions have no holes.
async fn truth(db: &Database) -> HashMap<String, Vec<Written>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        user_id: String,
        #[diesel(sql_type = BigInt)]
        position: i64,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        message_id: Option<Uuid>,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT user_id, position, kind, message_id FROM tributary.outbox ORDER BY user_id, position",
    )
    .load(&mut db.get().await.unwrap())
    .await
    .unwrap();
    let mut streams: HashMap<String, Vec<Written>> = HashMap::new();
    for row in rows {
        let stream = streams.entry(row.user_id).or_default();
        stream.push((row.kind, row.message_id));
        assert_eq!(row.position, length(stream), "a hole in the outbox");
    }
    streams
}

/// What each message is in the end: its body, or none when it is redacted.
async fn shown(db: &Database) -> HashMap<Uuid, Option<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Nullable<Text>)]
        body: Option<String>,
        #[diesel(sql_type = Bool)]
        is_gone: bool,
    }
    let rows: Vec<Row> =
        sql_query("SELECT id, body, deleted_at IS NOT NULL AS is_gone FROM tributary.messages")
            .load(&mut db.get().await.unwrap())
            .await
            .unwrap();
    let rows = rows.into_iter();
    rows.map(|row| (row.id, row.body.filter(|_| !row.is_gone)))
        .collect()
}

/// No gap, no repetition, nothing out of turn, and nothing older after something newer.
fn check(
    user_id: &str,
    received: &[Received],
    truth: &[Written],
    shown: &HashMap<Uuid, Option<String>>,
) {
    let mut last = HashMap::new();
    for (nth, frame) in received.iter().enumerate() {
        let before = length(&received[..nth]);
        assert_eq!(frame.position, before + 1, "{user_id}: {frame:?}");
        let written = (frame.kind.clone(), frame.message.as_ref().map(|m| m.id));
        assert_eq!(written, truth[nth], "{user_id}: {frame:?}");
        if let Some(message) = &frame.message {
            last.insert(message.id, &message.body);
        }
    }
    assert_eq!(received.len(), truth.len(), "{user_id}");
    for (id, body) in last {
        assert_eq!(*body, shown[&id], "{user_id}: {id}");
    }
}

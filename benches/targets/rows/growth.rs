//! The same ingest when much is stored already.

use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio_postgres::Client;

use super::ingest::{Round, round};
use crate::{
    Bench,
    figures::{median, rate},
    homeserver::Homeserver,
    machine::Postgres,
    report::{Row, Target},
    server::{self, Serving},
    shared::{
        events::{Events, Shape},
        scratch::{Scratch, connect},
    },
    stand::{Pushed, SETTINGS},
    stored::Side,
};

/// Messages, in the chats that events go to.
const SEED: &str = include_str!("seed.sql");
/// How many there are, and how many of them a search finds.
const THERE: &str = "
    SELECT (SELECT count(*) FROM tributary.messages), (SELECT count(*) FROM tributary.search_entries)";
/// Names a database that is kept, to measure again with ten million: it is seeded when it
/// has not been.
const SEEDED: &str = "TRIBUTARY_BENCH_SEEDED";
/// How long the search's index may take of them: ten million at 50 µs each are 9 minutes.
const MOST_INDEXING: Duration = Duration::from_hours(1);
const OF_EACH: [usize; 3] = [1, 10, 100];
/// Of what it was when there was nothing.
const LEAST: f64 = 0.8;

/// A Tributary with so many messages.
struct Grown {
    messages: usize,
    /// None of a database that is kept.
    scratch: Option<Scratch>,
    database: Client,
    postgres: Postgres,
    tributary: Serving,
    pushed: Pushed,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut sizes = vec![0, if bench.quick { 200_000 } else { 1_000_000 }];
    if bench.ten_million {
        sizes.push(10_000_000);
    }
    let mut all = Vec::new();
    let started = sizes.into_iter().try_for_each(|messages| {
        all.push(Grown::start(bench, messages)?);
        anyhow::Ok(())
    });
    // The first of them have waited until the last was seeded.
    let reconnected = started.and_then(|()| {
        all.iter_mut()
            .try_for_each(|grown: &mut Grown| grown.pushed.homeserver.reconnect())
    });
    let rows = reconnected.and_then(|()| measure_at(bench, &mut all));
    for grown in all {
        grown.stop(bench)?;
    }
    rows
}

fn measure_at(bench: &Bench, all: &mut [Grown]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for of_each in OF_EACH {
        let mut rounds = BTreeMap::<usize, Vec<f64>>::new();
        for number in 0..=bench.rounds() {
            all.reverse();
            for grown in &mut *all {
                let round = grown.round(bench, of_each)?;
                if number > 0 {
                    let rates = rounds.entry(grown.messages).or_default();
                    rates.push(rate(round.events, round.elapsed));
                }
            }
        }
        let empty = median(rounds.get(&0).into_iter().flatten().copied());
        for (messages, rates) in rounds.into_iter().filter(|(messages, _)| *messages > 0) {
            rows.push(Row {
                what: format!("growth: {of_each} a transaction, {messages} messages"),
                unit: "events/s",
                figure: median(rates.iter().copied()),
                beside: Some(("empty", empty)),
                target: Target::AtLeast(LEAST),
                details: json!({ "rounds": rates }),
            });
        }
    }
    Ok(rows)
}

impl Grown {
    fn start(bench: &Bench, messages: usize) -> anyhow::Result<Self> {
        let kept = env::var(SEEDED).ok().filter(|_| messages == 10_000_000);
        let scratch = match kept {
            Some(_) => None,
            None => Some(bench.runtime.block_on(Scratch::create())?),
        };
        let url = match (&scratch, kept) {
            (Some(scratch), _) => scratch.url().clone(),
            (None, kept) => SecretString::from(kept.unwrap_or_default()),
        };
        let tributary = bench
            .runtime
            .block_on(server::start_empty(&url, SETTINGS))?;
        let database = bench.runtime.block_on(connect(url.expose_secret()))?;
        bench
            .runtime
            .block_on(seed(&database, messages))
            .context("it could not be seeded")?;
        let mut homeserver = Homeserver::connect(tributary.address(), tributary.token())?;
        let mut events = Events::new(Shape::default());
        let earlier = bench.runtime.block_on(pushed_before(&database))?;
        homeserver.begin_after(earlier);
        events.begin_after(earlier);
        Ok(Self {
            messages,
            postgres: Postgres::of(&bench.runtime, &database)?,
            pushed: Pushed {
                side: Side::Tributary,
                pid: tributary.process.id(),
                address: tributary.address(),
                homeserver,
                events,
            },
            scratch,
            database,
            tributary,
        })
    }

    fn round(&mut self, bench: &Bench, of_each: usize) -> anyhow::Result<Round> {
        let (database, postgres) = (&self.database, &self.postgres);
        round(
            bench,
            (database, postgres),
            &mut self.pushed,
            of_each,
            1_000 / of_each,
        )
    }

    fn stop(self, bench: &Bench) -> anyhow::Result<()> {
        self.tributary.stop()?;
        match self.scratch {
            Some(scratch) => bench.runtime.block_on(scratch.remove()),
            None => Ok(()),
        }
    }
}

/// Fills in what is missing to so many.
async fn seed(database: &Client, messages: usize) -> anyhow::Result<()> {
    let sql = "SELECT count(*) FROM (SELECT FROM tributary.messages LIMIT $1) AS m";
    let most = i64::try_from(messages)?;
    let there: i64 = database.query_one(sql, &[&most]).await?.get(0);
    if there < most {
        let missing = (most - there).to_string();
        database
            .batch_execute(&SEED.replace("$messages", &missing))
            .await?;
        database
            .batch_execute("VACUUM ANALYZE tributary.messages")
            .await?;
        indexed(database).await?;
    }
    let row = database.query_one(THERE, &[]).await?;
    let (stored, found): (i64, i64) = (row.get(0), row.get(1));
    anyhow::ensure!(
        stored >= most && found >= most,
        "of {most} messages {stored} are stored, and {found} in the search's index"
    );
    // What is measured is to find nothing left to do.
    database
        .batch_execute("VACUUM ANALYZE tributary.search_entries")
        .await?;
    Ok(database.batch_execute("CHECKPOINT").await?)
}

/// Waits until the search's index has them.
async fn indexed(database: &Client) -> anyhow::Result<()> {
    let began = Instant::now();
    let sql = "SELECT after_id IS NULL FROM tributary.search_progress";
    while !database.query_one(sql, &[]).await?.get::<_, bool>(0) {
        anyhow::ensure!(
            began.elapsed() < MOST_INDEXING,
            "the search's index has not become complete"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// A number that no transaction and no event of an earlier run in this database has reached.
async fn pushed_before(database: &Client) -> anyhow::Result<u64> {
    let sql = "SELECT coalesce(sum(event_count), 0)::bigint FROM tributary.transactions";
    let pushed: i64 = database.query_one(sql, &[]).await?.get(0);
    Ok(u64::try_from(pushed)?)
}

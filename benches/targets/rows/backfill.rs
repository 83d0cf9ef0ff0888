//! History: events fetched and stored a second, from a homeserver that has them in memory.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use secrecy::ExposeSecret as _;
use serde_json::{Map, json};
use tokio_postgres::Client;
use tributary::db::{Database, backfills};

use crate::{
    Bench,
    figures::median,
    limits::raw::Raw,
    mock::{Histories, Mock, OF_EACH, histories},
    report::{Row, Target},
    server,
    shared::{
        events::Shape,
        scratch::{Scratch, connect},
    },
    stand::SETTINGS,
};

const PATIENCE: Duration = Duration::from_mins(5);
const STATE: &str = "
    SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'failed'),
           extract(epoch FROM max(finished_at) - min(started_at))::float8
    FROM tributary.jobs WHERE kind = 'backfill'";
const STORED: &str = "
    SELECT (SELECT count(*) FROM tributary.messages) + (SELECT count(*) FROM tributary.reactions)
         + (SELECT count(*) FROM tributary.message_versions WHERE event_id <> target_event_id)
         + (SELECT count(*) FROM tributary.state_events) + (SELECT count(*) FROM tributary.redactions)";

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let pages = if bench.quick { 1 } else { 4 };
    let events = pages * OF_EACH * Shape::default().rooms;
    let histories = Arc::new(histories(Shape::default(), pages));
    let (mut rates, mut raw_rates) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let scratch = bench.runtime.block_on(Scratch::create())?;
        let rate = round(bench, &scratch, &histories, events);
        let mut raw = Raw::connect(&bench.runtime, scratch.url())?;
        let raw_rate = raw.round(&bench.runtime, OF_EACH, events / OF_EACH);
        bench.runtime.block_on(scratch.remove())?;
        rates.push(rate?);
        raw_rates.push(raw_rate?);
    }
    Ok(vec![Row {
        what: format!("backfill, pages of {OF_EACH}"),
        unit: "events/s",
        figure: median(rates.iter().copied()),
        beside: Some(("raw", median(raw_rates.iter().copied()))),
        target: Target::AtLeast(0.75),
        details: json!({ "events": events, "tributary": rates, "raw": raw_rates }),
    }])
}

/// From when the first of the jobs began until the last was through.
fn round(
    bench: &Bench,
    scratch: &Scratch,
    histories: &Arc<Histories>,
    events: usize,
) -> anyhow::Result<f64> {
    let mock = bench.runtime.block_on(Mock::start(Arc::clone(histories)))?;
    let url = format!("http://{}", mock.address);
    let mut settings = SETTINGS.to_vec();
    settings.push(("TRIBUTARY__HOMESERVER__URL", &url));
    let started = server::start_empty(scratch.url(), &settings);
    let tributary = bench.runtime.block_on(started)?;
    let took = bench.runtime.block_on(fill(scratch, events));
    tributary.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
    let events = events as f64;
    Ok(events / took?)
}

/// In seconds.
async fn fill(scratch: &Scratch, events: usize) -> anyhow::Result<f64> {
    let database = Database::new(scratch.url(), 1)?;
    let rooms: Vec<_> = Shape::default().chats().map(|chat| chat.room_id).collect();
    let mut span = Map::new();
    span.insert("days".to_owned(), 36_500.into());
    span.insert("maxMessages".to_owned(), 1_000_000.into());
    backfills::enqueue(&*database.get().await?, &rooms, &span).await?;
    let watch = connect(scratch.url().expose_secret()).await?;
    let took = until_done(&watch, rooms.len()).await?;
    let stored: i64 = watch.query_one(STORED, &[]).await?.get(0);
    ensure!(
        usize::try_from(stored)? == events,
        "of {events} events {stored} were stored"
    );
    Ok(took)
}

async fn until_done(watch: &Client, rooms: usize) -> anyhow::Result<f64> {
    let begun = Instant::now();
    loop {
        let row = watch.query_one(STATE, &[]).await?;
        let (done, failed): (i64, i64) = (row.get(0), row.get(1));
        ensure!(failed == 0, "{failed} backfills failed");
        if usize::try_from(done)? == rooms {
            return Ok(row.get(2));
        }
        ensure!(begun.elapsed() < PATIENCE, "{done} of {rooms} are filled");
        thread::sleep(Duration::from_millis(100));
    }
}

//! From the homeserver's PUT to the customer's socket.

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use crate::{
    Bench,
    crowd::{Arrived, Crowd},
    figures::{median, percentile, rate},
    report::{Row, Target},
    shared::events::{Push, Shape},
    stand::{Pushed, Stand},
    stored::{Side, are_there},
};

/// Between two transactions of one event each: a hundred a second.
const EVERY: Duration = Duration::from_millis(10);
/// Events of a transaction when there is no pause.
const OF_EACH: usize = 10;
/// So many events are made, pushed and waited for before the next ones are.
const AT_ONCE: usize = 1_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// A side, and what comes on its sockets.
struct Watched {
    pushed: Pushed,
    crowd: Crowd,
    frames: UnboundedReceiver<Arrived>,
}

/// What came of the rounds of a side.
#[derive(Default)]
struct Results {
    latencies: Vec<Vec<Duration>>,
    rates: Vec<f64>,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let stand = Stand::start(&bench.runtime)?;
    let rows = measure_at(bench, &stand);
    stand.stop(&bench.runtime)?;
    rows
}

fn measure_at(bench: &Bench, stand: &Stand) -> anyhow::Result<Vec<Row>> {
    let mut sides = Vec::new();
    for pushed in stand.sides()? {
        let users = 0..Shape::default().customers;
        let opened = bench.runtime.block_on(Crowd::open(pushed.address, users));
        let (crowd, frames) = opened?;
        sides.push(Watched {
            pushed,
            crowd,
            frames,
        });
    }
    let [mut tributary, mut bare] = [Results::default(), Results::default()];
    for number in 0..=bench.rounds() {
        sides.reverse();
        for side in &mut sides {
            let steady = steady(bench, side)?;
            let rate = saturated(bench, stand, side)?;
            side.crowd.are_open()?;
            let results = match side.pushed.side {
                Side::Tributary => &mut tributary,
                Side::BarePg => &mut bare,
            };
            if number > 0 {
                results.latencies.push(steady);
                results.rates.push(rate);
            }
        }
    }
    Ok(rows(&tributary, &bare))
}

fn rows(tributary: &Results, bare: &Results) -> Vec<Row> {
    let latency = |percent| {
        let of = |results: &Results| {
            let rounds = results.latencies.iter();
            rounds
                .map(|round| percentile(round.clone(), percent))
                .collect::<Vec<_>>()
        };
        Row {
            what: format!("PUT to frame at 100 events/s, p{percent}"),
            unit: "ms",
            figure: median(of(tributary)),
            beside: Some(("barepg", median(of(bare)))),
            target: Target::AtMost(1.2),
            details: json!({ "tributary": of(tributary), "barepg": of(bare) }),
        }
    };
    let saturated = Row {
        what: "PUT to frame, saturated, 10 a transaction".to_owned(),
        unit: "events/s",
        figure: median(tributary.rates.iter().copied()),
        beside: Some(("barepg", median(bare.rates.iter().copied()))),
        target: Target::AtLeast(0.7),
        details: json!({ "tributary": tributary.rates, "barepg": bare.rates }),
    };
    vec![latency(50), latency(99), saturated]
}

/// One event after the other, each when it is due; how long their frames took from then.
fn steady(bench: &Bench, side: &mut Watched) -> anyhow::Result<Vec<Duration>> {
    let count = bench.round().as_millis() / EVERY.as_millis();
    let pushes: Vec<_> = (0..count).map(|_| side.pushed.events.push(1)).collect();
    let mut sent = HashMap::new();
    let begun = Instant::now() + EVERY;
    for (nth, push) in (0_u32..).zip(&pushes) {
        let due = begun + EVERY * nth;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // One that is late because the one before it took so long counts from when it was due.
        let is_late = Instant::now() > due + EVERY / 4;
        let from = if is_late { due } else { Instant::now() };
        sent.extend(push.messages.iter().map(|id| (id.clone(), from)));
        side.pushed.homeserver.push(&push.body)?;
    }
    let came = collect(bench, side, &pushes)?;
    let latencies = came.iter().filter_map(|arrived| {
        let sent = sent.get(&arrived.event_id)?;
        Some(arrived.at.saturating_duration_since(*sent))
    });
    Ok(latencies.collect())
}

/// Transactions without a pause, until the last frame is there: events a second.
fn saturated(bench: &Bench, stand: &Stand, side: &mut Watched) -> anyhow::Result<f64> {
    let (mut events, mut elapsed) = (0, Duration::ZERO);
    while elapsed < bench.round() {
        let transactions = 0..AT_ONCE / OF_EACH;
        let pushes: Vec<_> = transactions
            .map(|_| side.pushed.events.push(OF_EACH))
            .collect();
        let begun = Instant::now();
        side.pushed.homeserver.push_all(&pushes)?;
        let answered = Instant::now();
        let came = collect(bench, side, &pushes)?;
        let last = came.iter().map(|arrived| arrived.at).max();
        elapsed += last.unwrap_or(answered).max(answered) - begun;
        events += AT_ONCE;
        are_there(&bench.runtime, &stand.database, side.pushed.side, &pushes)?;
    }
    Ok(rate(events, elapsed))
}

/// A frame of each message that was pushed.
fn collect(bench: &Bench, side: &mut Watched, pushes: &[Push]) -> anyhow::Result<Vec<Arrived>> {
    let expected: usize = pushes.iter().map(|push| push.messages.len()).sum();
    let mut came = Vec::with_capacity(expected);
    bench.runtime.block_on(async {
        while came.len() < expected {
            let frame = timeout(PATIENCE, side.frames.recv()).await;
            came.push(
                frame
                    .context("a frame did not come")?
                    .context("no socket is read")?,
            );
        }
        anyhow::Ok(())
    })?;
    let known: HashSet<_> = pushes.iter().flat_map(|p| &p.messages).collect();
    let strange = came
        .iter()
        .find(|arrived| !known.contains(&arrived.event_id));
    ensure!(
        strange.is_none(),
        "a frame came twice, or of something else"
    );
    Ok(came)
}

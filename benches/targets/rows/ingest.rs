//! Events a second: how fast a homeserver gets rid of what it has.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    Bench,
    figures::{median, percentile, rate},
    machine::{Postgres, Used},
    report::{Row, Target},
    shared::events::Push,
    stand::{Pushed, Stand},
    stored::{Side, are_there},
};

/// Events of a transaction, and what is aimed at.
const LOADS: [(usize, f64); 3] = [(1, 0.75), (10, 0.7), (100, 0.55)];
/// So many events are made, pushed and looked for before the next ones are.
const AT_ONCE: usize = 1_000;

/// One side for a while.
pub(crate) struct Round {
    pub(crate) events: usize,
    pub(crate) elapsed: Duration,
    puts: Vec<Duration>,
    used: Used,
}

/// The rounds of each side.
pub(crate) type Rounds = BTreeMap<Side, Vec<Round>>;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let stand = Stand::start(&bench.runtime)?;
    let rows = measure_at(bench, &stand);
    stand.stop(&bench.runtime)?;
    rows
}

fn measure_at(bench: &Bench, stand: &Stand) -> anyhow::Result<Vec<Row>> {
    let mut sides = stand.sides()?;
    let mut rows = Vec::new();
    for (events, least) in LOADS {
        if bench.of_each.is_some_and(|only| only != events) {
            continue;
        }
        let rounds = alternate(bench, stand, &mut sides, events)?;
        let what = format!("ingest, {events} a transaction");
        rows.push(row(what, &rounds, Target::AtLeast(least)));
    }
    Ok(rows)
}

/// A round that is not counted and then those that are, each side in its turn, so that
/// a slow minute of the machine hits both.
pub(crate) fn alternate(
    bench: &Bench,
    stand: &Stand,
    sides: &mut [Pushed],
    events: usize,
) -> anyhow::Result<Rounds> {
    let mut rounds = Rounds::new();
    for number in 0..=bench.rounds() {
        sides.reverse();
        for side in &mut *sides {
            // At first each answer is looked after at once.
            let at_once = if number == 0 { 1 } else { AT_ONCE / events };
            let round = round(
                bench,
                (&stand.database, &stand.postgres),
                side,
                events,
                at_once,
            )?;
            if number > 0 {
                rounds.entry(side.side).or_default().push(round);
            }
        }
    }
    Ok(rounds)
}

/// Pushes for a while, and looks whether all of it is there.
pub(crate) fn round(
    bench: &Bench,
    (database, postgres): (&Client, &Postgres),
    to: &mut Pushed,
    events: usize,
    at_once: usize,
) -> anyhow::Result<Round> {
    let mut round = Round {
        events: 0,
        elapsed: Duration::ZERO,
        puts: Vec::new(),
        used: Used::default(),
    };
    let until = Instant::now() + bench.round() * 2;
    while round.elapsed < bench.round() && Instant::now() < until {
        let pushes: Vec<Push> = (0..at_once).map(|_| to.events.push(events)).collect();
        let before = Used::read(to.pid, postgres)?;
        let timings = to.homeserver.push_all(&pushes)?;
        round.used += Used::read(to.pid, postgres)?.since(before);
        are_there(&bench.runtime, database, to.side, &pushes)?;
        round.events += events * at_once;
        round.elapsed += timings.elapsed;
        round.puts.extend(timings.puts);
    }
    Ok(round)
}

/// The row that rounds make.
pub(crate) fn row(what: String, rounds: &Rounds, target: Target) -> Row {
    let rates = |side| {
        let rounds = rounds.get(&side).into_iter().flatten();
        median(rounds.map(|round| rate(round.events, round.elapsed)))
    };
    Row {
        what,
        unit: "events/s",
        figure: rates(Side::Tributary),
        beside: Some(("barepg", rates(Side::BarePg))),
        target,
        details: json!({
            "tributary": details(rounds, Side::Tributary), "barepg": details(rounds, Side::BarePg),
        }),
    }
}

fn details(rounds: &Rounds, side: Side) -> Value {
    let rounds: Vec<_> = rounds.get(&side).into_iter().flatten().collect();
    let puts: Vec<_> = rounds
        .iter()
        .flat_map(|round| &round.puts)
        .copied()
        .collect();
    let mut used = Used::default();
    for round in &rounds {
        used += round.used;
    }
    let events: usize = rounds.iter().map(|round| round.events).sum();
    json!({
        "events": events, "putP50Ms": percentile(puts.clone(), 50), "putP99Ms": percentile(puts, 99),
        "cpuMicrosecondsPerEvent": used.each(events),
        "rounds": rounds.iter().map(|r| rate(r.events, r.elapsed).round()).collect::<Vec<_>>(),
    })
}

//! What came out, for people and for machines.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use serde_json::json;

use crate::load::Timings;

/// Who was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Tributary,
    BarePg,
}

/// The rounds of each side, by events per transaction.
#[derive(Default)]
pub(crate) struct Report(BTreeMap<(usize, Side), Vec<Timings>>);

/// One side under one load.
struct Summary {
    events_per_second: f64,
    p50: Duration,
    p99: Duration,
}

impl Report {
    pub(crate) fn add(&mut self, events: usize, side: Side, timings: Timings) {
        self.0.entry((events, side)).or_default().push(timings);
    }

    /// Prints a table, and the same as one line of JSON.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let row = |cells: [String; 6]| cells.map(|cell| format!("{cell:>14}")).concat();
        let head = [
            "events/PUT",
            "side",
            "events/s",
            "of barepg",
            "p50 ms",
            "p99 ms",
        ];
        writeln!(out, "{}", row(head.map(str::to_owned)))?;
        let mut lines = Vec::new();
        for ((events, side), rounds) in &self.0 {
            let summary = summarise(*events, rounds);
            let ratio = self.0.get(&(*events, Side::BarePg)).map_or(1.0, |bare| {
                summary.events_per_second / summarise(*events, bare).events_per_second
            });
            let name = format!("{side:?}").to_lowercase();
            let cells = [
                events.to_string(),
                name.clone(),
                format!("{:.0}", summary.events_per_second),
                format!("{ratio:.2}"),
                format!("{:.2}", milliseconds(summary.p50)),
                format!("{:.2}", milliseconds(summary.p99)),
            ];
            writeln!(out, "{}", row(cells))?;
            lines.push(json!({
                "eventsPerPut": events, "side": name,
                "eventsPerSecond": summary.events_per_second.round(),
                "ofBarePg": (ratio * 1000.0).round() / 1000.0,
                "p50Ms": milliseconds(summary.p50), "p99Ms": milliseconds(summary.p99),
            }));
        }
        writeln!(out, "{}", json!({ "bench": "ingest", "results": lines }))
    }
}

fn summarise(events: usize, rounds: &[Timings]) -> Summary {
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are fewer than 2^52 events"
    )]
    let rate = |round: &Timings| (events * round.puts.len()) as f64 / round.elapsed.as_secs_f64();
    let mut rates: Vec<_> = rounds.iter().map(rate).collect();
    rates.sort_by(f64::total_cmp);
    let mut puts: Vec<_> = rounds.iter().flat_map(|r| &r.puts).copied().collect();
    puts.sort_unstable();
    Summary {
        events_per_second: rates.get(rates.len() / 2).copied().unwrap_or_default(),
        p50: at(&puts, 50),
        p99: at(&puts, 99),
    }
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    let index = sorted.len() * percent / 100;
    sorted.get(index).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

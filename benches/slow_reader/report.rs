//! What came out, for people and for machines.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use serde_json::json;

use crate::{memory::Memory, stalled::Outcome};

/// One round.
pub(crate) struct Measured {
    /// Of those who read, in order.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) memory: Memory,
}

/// All of them.
pub(crate) struct Report {
    pub(crate) round: Duration,
    pub(crate) per_second: u32,
    pub(crate) rounds: Vec<Measured>,
}

impl Report {
    /// Prints a table, and the same as one line of JSON.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{} events/s for {} s",
            self.per_second,
            self.round.as_secs()
        )?;
        let head = [
            "stalled",
            "frames",
            "p50 ms",
            "p99 ms",
            "max ms",
            "MiB",
            "most MiB",
            "kernel MiB",
            "4408",
            "found",
            "resumed",
        ];
        writeln!(out, "{}", row(head.map(str::to_owned)))?;
        let mut lines = Vec::new();
        for round in &self.rounds {
            let [p50, p99, max] = [50, 99, 100].map(|percent| round.percentile(percent));
            let Memory {
                before,
                most,
                queued,
            } = round.memory;
            let memory = [before, most, queued].map(mebibytes);
            let stalled = round.outcomes.len();
            let closed = round.outcomes.iter().filter(|one| one.code == Some(4408));
            let (closed, found, resumed) = (
                closed.count(),
                round.outcomes.iter().map(|one| one.found).sum::<usize>(),
                round.outcomes.iter().map(|one| one.resumed).sum::<usize>(),
            );
            let frames = round.latencies.len();
            writeln!(
                out,
                "{}",
                row([
                    stalled.to_string(),
                    frames.to_string(),
                    format!("{p50:.2}"),
                    format!("{p99:.2}"),
                    format!("{max:.2}"),
                    format!("{:.1}", memory[0]),
                    format!("{:.1}", memory[1]),
                    format!("{:.1}", memory[2]),
                    closed.to_string(),
                    found.to_string(),
                    resumed.to_string(),
                ])
            )?;
            lines.push(json!({
                "stalled": stalled, "frames": frames, "p50Ms": p50, "p99Ms": p99, "maxMs": max,
                "residentMiB": memory[0], "mostResidentMiB": memory[1],
                "kernelQueueMiB": memory[2], "closed4408": closed, "found": found,
                "resumed": resumed,
            }));
        }
        let line = json!({
            "bench": "slow_reader", "seconds": self.round.as_secs(),
            "eventsPerSecond": self.per_second, "results": lines,
        });
        writeln!(out, "{line}")
    }
}

impl Measured {
    /// So many percent of all took at most so many milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (self.latencies.len() * percent / 100).min(last);
        let took = self.latencies.get(index).copied().unwrap_or_default();
        hundredths(took.as_secs_f64() * 1e3)
    }
}

fn row(cells: [String; 11]) -> String {
    cells.map(|cell| format!("{cell:>11}")).concat()
}

fn mebibytes(bytes: u64) -> f64 {
    hundredths(f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0)
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

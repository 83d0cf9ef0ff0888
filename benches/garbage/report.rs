//! What came out, for people and for machines.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use serde_json::json;

use crate::{Limits, honest::Latencies, strangers::Flood};

/// One server, quiet and under garbage.
pub(crate) struct Measured {
    pub(crate) quiet: Latencies,
    pub(crate) under_garbage: Latencies,
    pub(crate) flood: Flood,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Report(Vec<(Limits, Measured)>);

impl Report {
    pub(crate) fn add(&mut self, limits: Limits, measured: Measured) {
        self.0.push((limits, measured));
    }

    /// Prints a table, and the same as one line of JSON.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let row = |cells: &mut dyn Iterator<Item = String>| -> String {
            cells
                .map(|cell| format!("{cell:>11}"))
                .collect::<Vec<_>>()
                .concat()
        };
        let head = [
            "limits",
            "quiet p50",
            "quiet p99",
            "p50",
            "p99",
            "p99 ratio",
            "sent/s",
            "401/s",
            "429/s",
        ];
        writeln!(out, "{}", row(&mut head.map(str::to_owned).into_iter()))?;
        let mut lines = Vec::new();
        for (limits, measured) in &self.0 {
            let Measured {
                quiet,
                under_garbage,
                flood,
            } = measured;
            let times = [
                quiet.percentile(50),
                quiet.percentile(99),
                under_garbage.percentile(50),
                under_garbage.percentile(99),
            ]
            .map(milliseconds);
            let ratio = times[3] / times[1];
            let rates = [flood.sent, flood.unauthorized, flood.limited]
                .map(|count| per_second(count, flood.took));
            let [sent, unauthorized, limited] = rates;
            let limits = format!("{limits:?}").to_lowercase();
            let times_and_ratio = times.iter().chain([&ratio]);
            let mut cells = [limits.clone()]
                .into_iter()
                .chain(times_and_ratio.map(|time| format!("{time:.2}")))
                .chain(rates.iter().map(|rate| format!("{rate:.0}")));
            writeln!(out, "{}", row(&mut cells))?;
            lines.push(json!({
                "limits": limits, "quietP50Ms": times[0], "quietP99Ms": times[1],
                "p50Ms": times[2], "p99Ms": times[3], "ratio": (ratio * 100.0).round() / 100.0,
                "sentPerSecond": sent.round(), "unauthorizedPerSecond": unauthorized.round(),
                "limitedPerSecond": limited.round(), "stuck": flood.stuck,
            }));
        }
        writeln!(out, "{}", json!({ "bench": "garbage", "results": lines }))
    }
}

fn per_second(count: u64, took: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are fewer than 2^52 requests"
    )]
    let count = count as f64;
    count / took.as_secs_f64()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

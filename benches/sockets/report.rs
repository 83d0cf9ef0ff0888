//! What came out, for people and for machines.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use serde_json::json;

use crate::{latency::Latencies, process::Usage};

/// All of it.
pub(crate) struct Report {
    /// Idle sockets.
    pub(crate) number: usize,
    /// Resident memory in bytes: without them, with them, and when they have idled.
    pub(crate) before: u64,
    pub(crate) opened: u64,
    pub(crate) after_idling: u64,
    /// While they idled.
    pub(crate) usage: Usage,
    /// A message, without them and among them.
    pub(crate) alone: Latencies,
    pub(crate) among_many: Latencies,
}

impl Report {
    /// Prints it, and the same as one line of JSON.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let [before, opened, after_idling] =
            [self.before, self.opened, self.after_idling].map(kibibytes);
        let number = f64::from(u32::try_from(self.number).unwrap_or(u32::MAX));
        let each = (opened.max(after_idling) - before) / number;
        let [tributary, postgres] = [self.usage.tributary, self.usage.postgres]
            .map(|time| time.as_secs_f64() / self.usage.during.as_secs_f64() * 100.0);
        let [alone_p50, alone_p99, p50, p99] = [
            self.alone.percentile(50),
            self.alone.percentile(99),
            self.among_many.percentile(50),
            self.among_many.percentile(99),
        ]
        .map(milliseconds);
        writeln!(out, "idle sockets                {:>12}", self.number)?;
        writeln!(out, "resident without them, KiB  {before:>12.0}")?;
        writeln!(out, "resident with them, KiB     {opened:>12.0}")?;
        writeln!(out, "after idling, KiB           {after_idling:>12.0}")?;
        writeln!(out, "each socket, KiB            {each:>12.2}")?;
        writeln!(out, "a core while idle, %        {tributary:>12.2}")?;
        writeln!(out, "and of Postgres, %          {postgres:>12.2}")?;
        writeln!(
            out,
            "PUT to frame without, ms    {alone_p50:>12.2} p50 {alone_p99:>8.2} p99"
        )?;
        writeln!(
            out,
            "PUT to frame among them, ms {p50:>12.2} p50 {p99:>8.2} p99"
        )?;
        let line = json!({
            "bench": "sockets", "sockets": self.number, "residentBeforeKiB": before,
            "residentKiB": opened, "residentAfterIdlingKiB": after_idling,
            "eachKiB": hundredths(each), "idleCpuPercent": hundredths(tributary),
            "idlePostgresCpuPercent": hundredths(postgres), "aloneP50Ms": alone_p50,
            "aloneP99Ms": alone_p99, "p50Ms": p50, "p99Ms": p99,
        });
        writeln!(out, "{line}")
    }
}

fn kibibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX))
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn milliseconds(duration: Duration) -> f64 {
    hundredths(duration.as_secs_f64() * 1e3)
}

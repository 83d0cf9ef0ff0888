//! What came out.

use std::{io::Write as _, time::Instant};

/// One message.
pub(super) struct Measured {
    /// Its push was at Tributary's door.
    pub(super) pushed: Instant,
    /// Its frame was at the client.
    pub(super) framed: Instant,
    /// A `/sync` with its event was at the Matrix client.
    pub(super) synced: Instant,
}

/// All of them.
#[derive(Default)]
pub(super) struct Figures(Vec<Measured>);

impl Figures {
    pub(super) fn add(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    /// Prints a table, where it is seen of a test that passes, too.
    pub(super) fn print(&self) {
        let mut out = std::io::stderr().lock();
        let messages = self.0.len();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let build = if cfg!(debug_assertions) {
            "a debug build"
        } else {
            "a release build"
        };
        writeln!(
            out,
            "\n    {messages} messages, {build}, load {}",
            load.trim()
        )
        .unwrap();
        writeln!(
            out,
            "    {:<40}{:>9}{:>9}{:>9}",
            "milliseconds", "p50", "p99", "max"
        )
        .unwrap();
        for (name, from, to) in [
            ("push to frame", Point::Pushed, Point::Framed),
            ("push to /sync", Point::Pushed, Point::Synced),
            ("frame to /sync", Point::Framed, Point::Synced),
        ] {
            let mut took: Vec<_> = self.0.iter().map(|one| one.between(from, to)).collect();
            took.sort_unstable_by(f64::total_cmp);
            let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&took, percent));
            writeln!(out, "    {name:<40}{p50:>9.2}{p99:>9.2}{max:>9.2}").unwrap();
        }
        let first = self.0.iter().filter(|one| one.framed < one.synced).count();
        writeln!(out, "    the frame came first {first} times of {messages}").unwrap();
    }
}

#[derive(Clone, Copy)]
enum Point {
    Pushed,
    Framed,
    Synced,
}

impl Measured {
    fn at(&self, point: Point) -> Instant {
        match point {
            Point::Pushed => self.pushed,
            Point::Framed => self.framed,
            Point::Synced => self.synced,
        }
    }

    /// Milliseconds; negative when it was the other way round.
    fn between(&self, from: Point, to: Point) -> f64 {
        let (from, to) = (self.at(from), self.at(to));
        let took = to.saturating_duration_since(from).as_secs_f64();
        let before = from.saturating_duration_since(to).as_secs_f64();
        (took - before) * 1e3
    }
}

/// So many percent of all are at most this.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

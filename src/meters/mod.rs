//! What Tributary counts and measures of itself.
//!
//! Every metric is made here, once, with all values that its labels may have: whoever counts
//! holds a handle, so that nothing is looked up or allocated on the way of an event, and no
//! label can have a value that somebody else has chosen. What has no list of its own here
//! (routes, bridges) is bounded in number.
//!
//! Metrics are the process's, like its memory: what shares a process shares them.

mod catalog;
mod known;
mod maker;
mod process;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
pub use metrics::{Counter, Gauge, Histogram};

pub use self::{
    catalog::{EventKind, EventOutcome, Meters},
    known::{By, ByBoth, ByName},
    maker::Described,
};

static METERS: LazyLock<Meters> = LazyLock::new(Meters::new);

/// Between two rounds of [`Meters::tidy`].
pub const TIDY_EVERY: Duration = Duration::from_secs(5);

/// The metrics of this process.
#[must_use]
pub fn meters() -> &'static Meters {
    &METERS
}

/// A time as a sample: seconds since 1970.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact to 2^53")]
pub fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

/// Measures how long something takes, until it is dropped: also of what is given up.
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub struct Timer<'a> {
    began: Instant,
    into: &'a Histogram,
}

impl<'a> Timer<'a> {
    /// Begins now.
    pub fn new(into: &'a Histogram) -> Self {
        Self {
            began: Instant::now(),
            into,
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.into.record(self.began.elapsed());
    }
}

//! What this replica last saw of the homeserver, for whoever asks how it is.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// What was seen, by this replica and since it started. All of it is a memory:
/// reading it asks nobody.
#[derive(Debug)]
pub struct HealthState {
    homeserver_up: AtomicBool,
    // Milliseconds since 1970; 0 is never.
    homeserver_seen: AtomicI64,
    transaction_taken: AtomicI64,
    refused: AtomicBool,
}

/// How the homeserver is, as far as anybody noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Homeserver {
    /// Whether it answered when last asked, or pushed since; also before the first time.
    pub up: bool,
    /// When it was last heard of.
    pub last_seen: Option<DateTime<Utc>>,
}

impl HealthState {
    /// Nothing has been seen yet, and nothing amiss.
    #[must_use]
    pub fn new() -> Self {
        Self {
            homeserver_up: AtomicBool::new(true),
            homeserver_seen: AtomicI64::new(0),
            transaction_taken: AtomicI64::new(0),
            refused: AtomicBool::new(false),
        }
    }

    /// The homeserver answered, or asked for something.
    pub fn homeserver_seen(&self, now: DateTime<Utc>) {
        self.homeserver_up.store(true, Ordering::Relaxed);
        self.homeserver_seen
            .fetch_max(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// The homeserver did not answer.
    pub fn homeserver_missed(&self) {
        self.homeserver_up.store(false, Ordering::Relaxed);
    }

    /// A transaction was taken: the homeserver is there, too.
    pub fn transaction_taken(&self, now: DateTime<Utc>) {
        self.transaction_taken
            .fetch_max(now.timestamp_millis(), Ordering::Relaxed);
        self.homeserver_seen(now);
    }

    /// A transaction could not be taken: the homeserver will try again.
    pub fn transaction_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether a transaction has been refused since this was last asked.
    pub fn was_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }

    /// How the homeserver is.
    #[must_use]
    pub fn homeserver(&self) -> Homeserver {
        Homeserver {
            up: self.homeserver_up.load(Ordering::Relaxed),
            last_seen: time(&self.homeserver_seen),
        }
    }

    /// When this replica last took a transaction.
    #[must_use]
    pub fn last_transaction(&self) -> Option<DateTime<Utc>> {
        time(&self.transaction_taken)
    }
}

impl Default for HealthState {
    fn default() -> Self {
        Self::new()
    }
}

fn time(milliseconds: &AtomicI64) -> Option<DateTime<Utc>> {
    match milliseconds.load(Ordering::Relaxed) {
        0 => None,
        milliseconds => DateTime::from_timestamp_millis(milliseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_shows_that_the_homeserver_is_there() {
        let health = HealthState::new();
        assert_eq!(health.homeserver().last_seen, None);
        health.homeserver_missed();
        assert!(!health.homeserver().up);
        let [earlier, later] = [1, 2].map(|s| DateTime::from_timestamp(s, 0).unwrap());
        health.transaction_taken(later);
        health.transaction_taken(earlier);
        let seen = Homeserver {
            up: true,
            last_seen: Some(later),
        };
        assert_eq!(health.homeserver(), seen);
        assert_eq!(health.last_transaction(), Some(later));
    }
}

//! The time, injected: only this file may ask the system for it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time. Cheap to clone; all clones tell the same.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Utc::now))
    }

    /// A clock that a test drives.
    pub fn from_fn(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// This clock, put right by what `ahead` says at each moment.
    #[must_use]
    pub fn put_right(&self, ahead: &Ahead) -> Self {
        let (own, ahead) = (self.clone(), ahead.clone());
        Self::from_fn(move || own.now() + ahead.get())
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

/// By how much another clock is ahead of one's own, as last measured. All clones share it.
#[derive(Debug, Clone, Default)]
pub struct Ahead(Arc<AtomicI64>);

impl Ahead {
    /// What was last measured; nothing at first.
    #[must_use]
    pub fn get(&self) -> TimeDelta {
        TimeDelta::microseconds(self.0.load(Ordering::Relaxed))
    }

    /// The other clock said `theirs` between `asked` and `answered` of one's own. True if that
    /// changed anything: a difference that the time in between explains is none, so that two
    /// clocks that agree stay as they are.
    #[must_use]
    pub fn measured(
        &self,
        asked: DateTime<Utc>,
        theirs: DateTime<Utc>,
        answered: DateTime<Utc>,
    ) -> bool {
        let unknown = (answered - asked) / 2;
        let found = theirs - (asked + unknown);
        if (found - self.get()).abs() <= unknown.abs() {
            return false;
        }
        let microseconds = found.num_microseconds().unwrap_or_default();
        self.0.store(microseconds, Ordering::Relaxed);
        true
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_790_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_clock_is_put_right_by_what_another_one_says() {
        let ahead = Ahead::default();
        let clock = Clock::from_fn(|| at(0)).put_right(&ahead);
        assert_eq!(clock.now(), at(0));
        assert!(ahead.measured(at(0), at(600_005), at(10)));
        assert_eq!(clock.now(), at(600_000));
        assert!(ahead.measured(at(0), at(-599_995), at(10)));
        assert_eq!(clock.now(), at(-600_000));
    }

    #[test]
    fn what_the_way_there_explains_is_no_difference() {
        let ahead = Ahead::default();
        assert!(!ahead.measured(at(0), at(10), at(10)));
        assert!(!ahead.measured(at(0), at(0), at(10)));
        assert_eq!(ahead.get(), TimeDelta::zero());
        assert!(ahead.measured(at(0), at(11), at(10)));
        // Slower answers say less, and take nothing back.
        assert!(!ahead.measured(at(0), at(40), at(100)));
        assert_eq!(ahead.get(), TimeDelta::milliseconds(6));
    }
}

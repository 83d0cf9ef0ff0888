//! A bucket for each key, in bounded memory.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use super::TooMany;
use crate::meters::meters;

/// Keys that are remembered, about 4 MiB of them. Whoever has more addresses than this
/// is not to be held by counting addresses.
const MOST_KEYS: usize = 65_536;
/// Between two looks at what can be forgotten.
const TIDY_EVERY: u32 = 1024;

type Limiter<K, C> = RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// So many tokens a second for each key, and so many at once.
pub(super) struct Buckets<K: Hash + Eq + Clone, C: Clock + Clone = MonotonicClock> {
    quota: Quota,
    clock: C,
    limiter: ArcSwap<Limiter<K, C>>,
    taken: AtomicU32,
    most_keys: usize,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Zero counts as one: the configuration refuses it.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self::with(per_second, burst, MonotonicClock, MOST_KEYS)
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    fn with(per_second: u32, burst: u32, clock: C, most_keys: usize) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
        Self {
            quota,
            limiter: ArcSwap::from_pointee(RateLimiter::hashmap_with_clock(quota, clock.clone())),
            clock,
            taken: AtomicU32::new(0),
            most_keys,
        }
    }

    /// Takes a token of this key's.
    pub(super) fn take(&self, key: &K) -> Result<(), TooMany> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.tidy();
        }
        self.limiter.load().check_key(key).map_err(|full| TooMany {
            retry_after: full
                .wait_time_from(self.clock.now())
                .max(Duration::from_nanos(1)),
        })
    }

    /// Forgets the full buckets, and all of them when even the others are too many: then
    /// everybody begins anew, which is kinder than to refuse whoever is not known yet.
    fn tidy(&self) {
        let limiter = self.limiter.load();
        limiter.retain_recent();
        if limiter.len() > self.most_keys {
            let empty = RateLimiter::hashmap_with_clock(self.quota, self.clock.clone());
            self.limiter.store(empty.into());
            meters().rate_limits_forgotten.increment(1);
        }
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> fmt::Debug for Buckets<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets")
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn buckets(
        per_second: u32,
        burst: u32,
    ) -> (Buckets<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Buckets::with(per_second, burst, clock.clone(), 500), clock)
    }

    fn admitted(buckets: &Buckets<u32, FakeRelativeClock>, key: u32) -> usize {
        (0..1000).filter(|_| buckets.take(&key).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_its_burst_and_fills_at_its_rate() {
        let (buckets, clock) = buckets(50, 100);
        assert_eq!(admitted(&buckets, 1), 100);
        assert_eq!(admitted(&buckets, 2), 100);
        clock.advance(Duration::from_secs(1));
        assert_eq!(admitted(&buckets, 1), 50);
        clock.advance(Duration::from_mins(1));
        assert_eq!(admitted(&buckets, 1), 100);
    }

    #[test]
    fn whoever_waits_as_told_is_admitted() {
        let (buckets, clock) = buckets(3, 1);
        assert_eq!(admitted(&buckets, 1), 1);
        let refused = buckets.take(&1).unwrap_err();
        let almost = refused.retry_after.saturating_sub(Duration::from_nanos(2));
        clock.advance(almost);
        assert!(buckets.take(&1).is_err());
        clock.advance(Duration::from_nanos(2));
        assert!(buckets.take(&1).is_ok());
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let (buckets, clock) = buckets(1, 1);
        for key in 0..400 {
            let _ = buckets.take(&key);
        }
        assert_eq!(buckets.limiter.load().len(), 400);
        clock.advance(Duration::from_secs(5));
        buckets.tidy();
        assert_eq!(buckets.limiter.load().len(), 0);
    }

    #[test]
    fn however_many_keys_there_are_few_are_remembered() {
        let (buckets, _) = buckets(1, 1);
        for key in 0..100_000 {
            assert!(buckets.take(&key).is_ok());
            assert!(buckets.limiter.load().len() <= 500 + TIDY_EVERY as usize);
        }
    }
}

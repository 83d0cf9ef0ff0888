//! PURE: how many frames a client may send.

use std::time::Duration;

use tokio::time::Instant;

/// Frames that may come at once. A client renews its token once a minute, pings now and
/// then, and answers a ping each heartbeat.
const BURST: u32 = 256;
/// After which one more may come.
const REFILL: Duration = Duration::from_millis(100);

/// What is left of it to one socket. Whatever comes counts alike: the dearest, an `auth`,
/// costs the check of an RSA signature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// From when on all of it is there.
    full_at: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Counts a frame; whether it was still allowed.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.full_at = self.full_at.max(now) + REFILL;
        self.full_at - now <= REFILL * BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowance: &mut Allowance, now: Instant) -> usize {
        (0..1000).take_while(|_| allowance.take(now)).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_so_many_a_second() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        assert_eq!(taken(&mut allowance, now), 256);
        // What was refused has been counted as well: a socket is closed then.
        let mut allowance = Allowance::new(now);
        assert!((0..256).all(|_| allowance.take(now)));
        let later = now + Duration::from_secs(2);
        assert_eq!(taken(&mut allowance, later), 20);
    }

    #[test]
    fn what_nobody_used_does_not_add_up() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        assert_eq!(taken(&mut allowance, now + Duration::from_hours(1)), 256);
    }
}

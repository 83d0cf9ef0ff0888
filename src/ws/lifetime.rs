//! PURE: how long a token lets data through.

use chrono::{DateTime, TimeDelta, Utc};

/// The life of a socket's token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    expires_at: DateTime<Utc>,
    skew: TimeDelta,
    grace: TimeDelta,
}

/// Where in it a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Data goes out.
    Valid,
    /// Data waits for a renewal.
    Grace,
    /// It is over.
    Over,
}

impl Lifetime {
    /// The life of a token: `skew` after its expiry data stops, and `grace` later
    /// the socket closes. Both in seconds.
    pub(super) fn new(expires_at: DateTime<Utc>, skew: u32, grace: u64) -> Self {
        // A grace of more than ten years is as good as that.
        let grace = u32::try_from(grace).map_or(315_360_000, |grace| grace.min(315_360_000));
        Self {
            expires_at,
            skew: TimeDelta::seconds(skew.into()),
            grace: TimeDelta::seconds(grace.into()),
        }
    }

    /// Goes on with a token that lives at least as long; an older one shortens nothing.
    pub(super) fn renew(&mut self, expires_at: DateTime<Utc>) -> DateTime<Utc> {
        self.expires_at = self.expires_at.max(expires_at);
        self.expires_at
    }

    pub(super) fn phase(&self, now: DateTime<Utc>) -> Phase {
        if now < self.stops_at() {
            Phase::Valid
        } else if now < self.stops_at() + self.grace {
            Phase::Grace
        } else {
            Phase::Over
        }
    }

    /// How long until the phase changes; none when it is over.
    pub(super) fn until_change(&self, now: DateTime<Utc>) -> Option<std::time::Duration> {
        let at = match self.phase(now) {
            Phase::Valid => self.stops_at(),
            Phase::Grace => self.stops_at() + self.grace,
            Phase::Over => return None,
        };
        (at - now).to_std().ok()
    }

    fn stops_at(&self) -> DateTime<Utc> {
        self.expires_at + self.skew
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn data_stops_after_the_skew_and_the_socket_after_the_grace() {
        let life = Lifetime::new(at(60), 5, 30);
        for (second, phase, left) in [
            (0, Phase::Valid, Some(65)),
            (64, Phase::Valid, Some(1)),
            (65, Phase::Grace, Some(30)),
            (94, Phase::Grace, Some(1)),
            (95, Phase::Over, None),
        ] {
            assert_eq!(life.phase(at(second)), phase, "{second}");
            let left = left.map(Duration::from_secs);
            assert_eq!(life.until_change(at(second)), left, "{second}");
        }
    }

    #[test]
    fn a_renewal_only_prolongs() {
        let mut life = Lifetime::new(at(60), 5, 30);
        assert_eq!(life.renew(at(30)), at(60));
        assert_eq!(life.renew(at(120)), at(120));
        assert_eq!(life.phase(at(100)), Phase::Valid);
    }

    #[test]
    fn an_absurd_grace_is_no_overflow() {
        let life = Lifetime::new(at(60), u32::MAX, u64::MAX);
        assert_eq!(life.phase(at(0)), Phase::Valid);
    }
}

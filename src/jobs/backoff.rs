//! How long to wait after a failure.

use std::time::Duration;

const BASE: Duration = Duration::from_secs(1);

/// The pause after that many failures in a row, with a random part, so that
/// what failed together does not come back together.
pub(super) fn pause(failures: u32, cap: Duration) -> Duration {
    jittered(failures, cap, rand::random())
}

/// `random` is within 0..1 and takes away up to half.
fn jittered(failures: u32, cap: Duration, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let full = BASE.saturating_mul(1 << doublings).min(cap);
    full.mul_f64(1.0 - random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_mins(5);

    #[test]
    fn it_doubles_up_to_the_cap() {
        let seconds = |failures| jittered(failures, CAP, 0.0).as_secs();
        assert_eq!(
            [0, 1, 2, 3, 9, 10, u32::MAX].map(seconds),
            [1, 1, 2, 4, 256, 300, 300]
        );
    }

    #[test]
    fn chance_takes_away_up_to_half() {
        assert_eq!(jittered(3, CAP, 0.5), Duration::from_secs(3));
        assert_eq!(jittered(30, CAP, 1.0), Duration::from_secs(150));
    }
}

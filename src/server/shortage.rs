//! What became of connections for want of places, told from time to time.

use std::time::Duration;

use tokio::time::Instant;

use crate::meters::meters;

/// Between two lines: whoever opens thousands of connections writes no log.
const QUIET: Duration = Duration::from_mins(1);

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    told_at: Option<Instant>,
    refused: usize,
    displaced: usize,
}

impl Shortage {
    /// One was refused.
    pub(super) fn refused(&mut self, now: Instant) {
        meters().connections_refused.increment(1);
        self.refused += 1;
        self.tell(now);
    }

    /// So many made room.
    pub(super) fn displaced(&mut self, count: usize, now: Instant) {
        meters().connections_displaced.increment(count as u64);
        self.displaced += count;
        self.tell(now);
    }

    fn tell(&mut self, now: Instant) {
        if !self.is_due(now) {
            return;
        }
        self.told_at = Some(now);
        let refused = std::mem::take(&mut self.refused);
        let displaced = std::mem::take(&mut self.displaced);
        tracing::warn!(
            refused,
            displaced,
            "too many connections: some are refused, or have to make room"
        );
    }

    fn is_due(&self, now: Instant) -> bool {
        self.told_at.is_none_or(|told_at| now - told_at >= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_they_are_there_is_one_line_a_minute() {
        let (began, mut shortage, mut lines) = (Instant::now(), Shortage::default(), 0);
        for second in 0..150 {
            let now = began + Duration::from_secs(second);
            lines += usize::from(shortage.is_due(now));
            shortage.refused(now);
            shortage.displaced(2, now);
        }
        assert_eq!(lines, 3);
        assert_eq!((shortage.refused, shortage.displaced), (29, 60));
    }
}

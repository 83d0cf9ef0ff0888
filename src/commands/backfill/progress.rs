//! How far backfills are, in numbers: pure.

use std::time::Duration;

use super::Job;
use crate::commands::output::count;

/// How far some backfills are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) total: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    /// Messages that were new.
    pub(super) stored: u64,
}

impl Tally {
    pub(super) fn of<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Self {
        let mut tally = Self::default();
        for job in jobs {
            tally.total += 1;
            tally.stored += job.stored;
            match job.state.as_str() {
                "done" => tally.done += 1,
                "failed" => tally.failed += 1,
                "cancelled" => tally.cancelled += 1,
                _ => {}
            }
        }
        tally
    }

    /// How many have ended, in whatever way.
    pub(super) fn ended(&self) -> u64 {
        self.done + self.failed + self.cancelled
    }

    /// Messages, messages a second and the time left, as seen since `before`.
    pub(super) fn pace(&self, before: &Self, elapsed: Duration) -> String {
        let stored = self.stored;
        let new = self.stored.saturating_sub(before.stored);
        let ended = self.ended().saturating_sub(before.ended());
        let millis = elapsed.as_millis().max(1);
        let rate = u128::from(new) * 1000 / millis;
        let left = self.total.saturating_sub(self.ended());
        let time_left = match ended {
            0 => "?".to_owned(),
            _ => span(millis * u128::from(left) / u128::from(ended) / 1000),
        };
        format!("{stored} messages, {rate}/s, {time_left} left")
    }

    /// What it came to.
    pub(super) fn summary(&self) -> String {
        let Self {
            total,
            done,
            failed,
            cancelled,
            stored,
        } = self;
        let (rooms, messages) = (count(*total, "room"), count(*stored, "new message"));
        format!("{rooms}: {done} done, {failed} failed, {cancelled} cancelled; {messages}")
    }
}

fn span(seconds: u128) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &str, stored: u64) -> Job {
        Job {
            id: crate::model::new_id(),
            room_id: "!a".to_owned(),
            state: state.to_owned(),
            reason: None,
            error: None,
            stored,
        }
    }

    #[test]
    fn what_was_there_before_is_no_pace() {
        let before = Tally::of(&[job("done", 1000), job("running", 500), job("queued", 0)]);
        let now = Tally::of(&[job("done", 1000), job("done", 900), job("running", 100)]);
        assert_eq!((now.total, now.ended()), (3, 2));
        let pace = now.pace(&before, Duration::from_secs(10));
        assert_eq!(pace, "2000 messages, 50/s, 10 s left");
        let pace = before.pace(&before, Duration::ZERO);
        assert_eq!(pace, "1500 messages, 0/s, ? left");
    }

    #[test]
    fn every_end_counts() {
        let tally = Tally::of(&[job("done", 2), job("failed", 1), job("cancelled", 0)]);
        assert_eq!(tally.ended(), 3);
        let summary = "3 rooms: 1 done, 1 failed, 1 cancelled; 3 new messages";
        assert_eq!(tally.summary(), summary);
        let one = Tally::of(&[job("done", 1)]).summary();
        assert_eq!(one, "1 room: 1 done, 0 failed, 0 cancelled; 1 new message");
    }

    #[test]
    fn times_are_readable() {
        for (seconds, text) in [(0, "0 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")] {
            assert_eq!(span(seconds), text);
        }
    }
}

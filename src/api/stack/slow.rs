//! PURE: which slow requests get a line. Whoever stalls hundreds of them at once writes
//! no log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Lines that are written in [`WINDOW`].
const MOST: u32 = 5;
const WINDOW: Duration = Duration::from_secs(10);

/// Those of this process.
pub(super) static LINES: Lines = Lines::new();

/// What was written lately.
pub(super) struct Lines(Mutex<State>);

struct State {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Lines {
    const fn new() -> Self {
        Self(Mutex::new(State {
            since: None,
            written: 0,
            left_out: 0,
        }))
    }

    /// Whether there is a line now: it says how many were left out since the last one.
    pub(super) fn next(&self, now: Instant) -> Option<u64> {
        // Counting does not panic halfway.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now - since >= WINDOW) {
            (state.since, state.written) = (Some(now), 0);
        }
        if state.written == MOST {
            state.left_out += 1;
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_there_are_a_few_lines_and_a_count() {
        let (lines, now) = (Lines::new(), Instant::now());
        let written = (0..200).filter_map(|_| lines.next(now)).collect::<Vec<_>>();
        assert_eq!(written, [0; MOST as usize]);
        assert_eq!(lines.next(now + WINDOW), Some(195));
        assert_eq!(lines.next(now + WINDOW), Some(0));
    }
}

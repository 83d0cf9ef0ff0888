//! What a connection is doing, and since when: whether its peer keeps up.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use tokio::time::{Instant, sleep_until};

use super::Timeouts;

/// Watches one connection; its stream, its service and its answers tell it what happens.
#[derive(Debug)]
pub(super) struct Watch {
    timeouts: Timeouts,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when the peer takes nothing of what is to be written.
    stalled: Option<Instant>,
    stopping: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Has said nothing yet.
    Silent(Instant),
    /// Reads a request's headers.
    Head(Instant),
    /// Has a request in hand. How long its body may take depends on the endpoint.
    Busy,
    /// Waits for the next request.
    Idle(Instant),
}

impl Watch {
    /// Of a connection that is accepted `now`.
    pub(super) fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self {
            timeouts,
            state: Mutex::new(State {
                phase: Phase::Silent(now),
                stalled: None,
                stopping: None,
            }),
        }
    }

    /// Something has come in.
    pub(super) fn received(&self, now: Instant) {
        let mut state = self.state();
        if let Phase::Silent(_) | Phase::Idle(_) = state.phase {
            state.phase = Phase::Head(now);
        }
    }

    /// It was a request.
    pub(super) fn began(&self) {
        self.state().phase = Phase::Busy;
    }

    /// The request is answered.
    pub(super) fn answered(&self, now: Instant) {
        self.state().phase = Phase::Idle(now);
    }

    /// The peer took some of what was to be written.
    pub(super) fn wrote(&self) {
        self.state().stalled = None;
    }

    /// The peer took nothing of it.
    pub(super) fn stalled(&self, now: Instant) {
        self.state().stalled.get_or_insert(now);
    }

    /// Tributary stops: what is no request yet will not become one.
    pub(super) fn stopping(&self, now: Instant) {
        self.state().stopping = Some(now);
    }

    /// Ends when the peer has taken too long.
    pub(super) async fn overdue(&self) {
        let mut sleep = pin!(sleep_until(Instant::now()));
        // Whatever happens to the connection happens in the task that polls this, just
        // before it does: so the deadline is always that of the present phase.
        poll_fn(|context| {
            let Some(deadline) = self.deadline() else {
                return Poll::Pending;
            };
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let of_phase = match state.phase {
            Phase::Silent(since) => Some(since + self.timeouts.silence),
            Phase::Head(since) => Some(since + self.timeouts.head),
            Phase::Idle(since) => Some(since + self.timeouts.idle),
            Phase::Busy => None,
        };
        let of_stop = state.stopping.filter(|_| of_phase.is_some());
        let of_stall = state.stalled.map(|since| since + self.timeouts.write);
        [
            of_phase,
            of_stop.map(|since| since + self.timeouts.stop),
            of_stall,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        silence: Duration::from_secs(100),
        head: Duration::from_secs(10),
        idle: Duration::from_mins(5),
        write: Duration::from_mins(1),
        stop: Duration::from_secs(1),
    };

    /// A watch of now, and now and so many seconds.
    fn watch() -> (Watch, impl Fn(u64) -> Instant) {
        let now = Instant::now();
        let at = move |seconds| now + Duration::from_secs(seconds);
        (Watch::new(TIMEOUTS, now), at)
    }

    #[test]
    fn each_phase_has_its_time() {
        let (watch, at) = watch();
        assert_eq!(watch.deadline(), Some(at(100)));
        watch.received(at(4));
        watch.received(at(8));
        assert_eq!(watch.deadline(), Some(at(14)), "a byte is no request");
        watch.began();
        assert_eq!(watch.deadline(), None);
        watch.answered(at(20));
        assert_eq!(watch.deadline(), Some(at(320)));
        watch.received(at(300));
        watch.received(at(305));
        assert_eq!(watch.deadline(), Some(at(310)));
    }

    #[test]
    fn whoever_takes_nothing_of_an_answer_is_given_up() {
        let (watch, at) = watch();
        watch.began();
        watch.stalled(at(1));
        watch.stalled(at(50));
        assert_eq!(watch.deadline(), Some(at(61)));
        watch.wrote();
        assert_eq!(watch.deadline(), None);
    }

    #[test]
    fn on_stop_only_requests_in_hand_are_waited_for() {
        let (watch, at) = watch();
        watch.stopping(at(5));
        assert_eq!(watch.deadline(), Some(at(6)));
        watch.began();
        assert_eq!(watch.deadline(), None);
        watch.answered(at(9));
        assert_eq!(watch.deadline(), Some(at(6)));
    }

    #[tokio::test]
    async fn the_deadline_is_that_of_the_present_phase() {
        let now = Instant::now();
        let short = Timeouts {
            silence: Duration::from_millis(20),
            idle: Duration::from_millis(60),
            ..TIMEOUTS
        };
        let watch = Watch::new(short, now);
        let mut overdue = pin!(watch.overdue());
        assert!(futures_util::poll!(&mut overdue).is_pending());
        watch.began();
        assert!(futures_util::poll!(&mut overdue).is_pending());
        watch.answered(now);
        overdue.await;
        assert!(now.elapsed() >= short.idle);
    }
}

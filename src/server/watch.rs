//! What a connection is doing, and since when: whether its peer keeps up.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, sleep_until};

use super::Timeouts;

/// Watches one connection; its stream, its service and its answers tell it what happens.
#[derive(Debug)]
pub(super) struct Watch {
    timeouts: Timeouts,
    state: Mutex<State>,
    /// Whoever waits for [`Watch::overdue`].
    waker: AtomicWaker,
}

/// What a connection waits for, in the order in which it is given up to make room: one
/// that never became a request before one that clients keep in reserve, and the one that
/// has waited the longest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiting {
    /// The end of a request's headers.
    Request(Instant),
    /// The next request.
    Next(Instant),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when the peer takes nothing of what is to be written.
    stalled: Option<Instant>,
    stopping: Option<Instant>,
    /// Since when its place is somebody else's.
    given_up: Option<Instant>,
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
    /// Speaks another protocol from here on.
    Upgraded,
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
                given_up: None,
            }),
            waker: AtomicWaker::new(),
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
        let mut state = self.state();
        if state.phase != Phase::Upgraded {
            state.phase = Phase::Idle(now);
        }
    }

    /// The answer is a change of protocol.
    pub(super) fn upgraded(&self) {
        self.state().phase = Phase::Upgraded;
    }

    /// What it waits for, unless a request is in hand or an answer still on its way.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let state = self.state();
        match state.phase {
            _ if state.stalled.is_some() => None,
            Phase::Silent(since) | Phase::Head(since) => Some(Waiting::Request(since)),
            Phase::Idle(since) => Some(Waiting::Next(since)),
            Phase::Busy | Phase::Upgraded => None,
        }
    }

    /// Somebody else gets its place: it ends, after the request that has just come in, if
    /// there is one.
    pub(super) fn give_up(&self) {
        self.state().given_up = Some(Instant::now());
        self.waker.wake();
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
            self.waker.register(context.waker());
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

    /// The connection has ended, or whoever upgraded it has its stream, and with it this watch. They are
    /// not to keep what is left of the task that served it as well.
    pub(super) fn ended(&self) {
        self.waker.take();
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let of_phase = match state.phase {
            Phase::Silent(since) => Some(since + self.timeouts.silence),
            Phase::Head(since) => Some(since + self.timeouts.head),
            Phase::Idle(since) => Some(since + self.timeouts.idle),
            Phase::Busy | Phase::Upgraded => None,
        };
        let is_waiting = of_phase.is_some() && state.stalled.is_none();
        let of_place = state.given_up.filter(|_| is_waiting);
        let of_stop = state.stopping.filter(|_| of_phase.is_some());
        let of_stall = state.stalled.map(|since| since + self.timeouts.write);
        [
            of_phase,
            of_place,
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
    use std::{sync::Arc, task::Context, time::Duration};

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
    fn what_waits_for_a_request_can_be_given_up() {
        let (watch, at) = watch();
        assert_eq!(watch.waiting(), Some(Waiting::Request(at(0))));
        watch.received(at(4));
        assert_eq!(watch.waiting(), Some(Waiting::Request(at(4))));
        watch.began();
        assert_eq!(watch.waiting(), None);
        watch.stalled(at(5));
        watch.answered(at(5));
        assert_eq!(watch.waiting(), None, "the answer is not all out");
        watch.wrote();
        assert_eq!(watch.waiting(), Some(Waiting::Next(at(5))));
        watch.began();
        watch.give_up();
        assert_eq!(watch.deadline(), None, "a request came in first");
        watch.answered(at(6));
        assert!(watch.deadline().unwrap() <= Instant::now());
        assert!(Waiting::Request(at(9)) < Waiting::Next(at(1)));
    }

    #[test]
    fn what_speaks_another_protocol_has_no_deadline_here() {
        let (watch, at) = watch();
        watch.began();
        watch.upgraded();
        watch.answered(at(1));
        watch.received(at(2));
        assert_eq!((watch.deadline(), watch.waiting()), (None, None));
    }

    #[tokio::test]
    async fn whoever_is_given_up_is_told_at_once() {
        let watch = Watch::new(TIMEOUTS, Instant::now());
        let mut overdue = pin!(watch.overdue());
        assert!(futures_util::poll!(&mut overdue).is_pending());
        let giving_up = async { watch.give_up() };
        let both = async { tokio::join!(overdue, giving_up) };
        tokio::time::timeout(TIMEOUTS.stop, both).await.unwrap();
    }

    #[tokio::test]
    async fn what_has_ended_keeps_nobody_who_waited() {
        struct Task;
        impl futures_util::task::ArcWake for Task {
            fn wake_by_ref(_: &Arc<Self>) {}
        }
        let (watch, _) = watch();
        let task = Arc::new(Task);
        {
            let waker = futures_util::task::waker(Arc::clone(&task));
            let mut overdue = pin!(watch.overdue());
            let polled = overdue.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        assert_eq!(Arc::strong_count(&task), 2);
        watch.ended();
        assert_eq!(Arc::strong_count(&task), 1);
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
            silence: Duration::from_secs(1),
            idle: Duration::from_secs(2),
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

//! What passes, and waits for one socket: typing and receipts.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::model::transient::Transient;

/// As many may wait before the oldest is dropped.
const MOST: usize = 64;

/// Takes up no memory for what does not wait: most sockets have nothing to do most of the time, and a channel of
/// a fixed size was a fifth of one.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<VecDeque<Arc<Transient>>>,
    came: Notify,
}

impl Inbox {
    /// The next one that waits, or that comes. For one reader at a time; none is lost when the future is dropped.
    pub async fn take(&self) -> Arc<Transient> {
        loop {
            if let Some(transient) = self.try_take() {
                return transient;
            }
            self.came.notified().await;
        }
    }

    /// The next one that waits.
    pub fn try_take(&self) -> Option<Arc<Transient>> {
        let mut waiting = self.waiting();
        let next = waiting.pop_front();
        if waiting.is_empty() {
            *waiting = VecDeque::new();
        }
        next
    }

    pub(super) fn put(&self, transient: Arc<Transient>) {
        let mut waiting = self.waiting();
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back(transient);
        drop(waiting);
        self.came.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Transient>>> {
        // A panic elsewhere leaves the queue whole: each change of it is one of its own.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use uuid::Uuid;

    use super::*;
    use crate::model::transient::TransientKind;

    fn nth(n: u128) -> Arc<Transient> {
        let kind = TransientKind::Typing {
            conversation_id: Uuid::from_u128(n),
            participant_ids: Vec::new(),
        };
        let user_ids = vec!["a".to_owned()];
        Arc::new(Transient { user_ids, kind })
    }

    #[tokio::test]
    async fn what_waits_comes_in_its_order_and_what_comes_wakes() {
        let inbox = Inbox::default();
        inbox.put(nth(1));
        inbox.put(nth(2));
        assert_eq!(inbox.take().await, nth(1));
        assert_eq!(inbox.take().await, nth(2));
        assert_eq!(inbox.try_take(), None);
        assert_eq!(inbox.waiting().capacity(), 0, "it keeps memory");
        let (taken, ()) = tokio::join!(inbox.take(), async { inbox.put(nth(3)) });
        assert_eq!(taken, nth(3));
    }

    #[tokio::test]
    async fn whoever_stops_waiting_just_then_finds_it_later() {
        let inbox = Inbox::default();
        {
            let mut take = Box::pin(inbox.take());
            assert_eq!(futures_util::poll!(&mut take), Poll::Pending);
            inbox.put(nth(1));
        }
        assert_eq!(inbox.take().await, nth(1));
    }

    #[test]
    fn of_too_many_the_oldest_are_dropped() {
        let inbox = Inbox::default();
        for n in 0..70 {
            inbox.put(nth(n));
        }
        let all: Vec<_> = std::iter::from_fn(|| inbox.try_take()).collect();
        assert_eq!(all, (6..70).map(nth).collect::<Vec<_>>());
    }
}

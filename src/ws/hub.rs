//! The sockets of this replica.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use uuid::Uuid;

use super::{close::Close, pulls::Pulls};
use crate::{auth::clerk::Ended, meters::meters, model::new_id};

/// Knows every socket of this replica. Cheap to clone; all clones know the same.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Arc<Semaphore>,
    /// By Clerk user, the oldest socket first.
    users: Mutex<HashMap<String, VecDeque<Entry>>>,
    sockets: TaskTracker,
    pulls: Pulls,
}

#[derive(Debug)]
struct Entry {
    id: Uuid,
    session_id: String,
    close: oneshot::Sender<Close>,
}

/// A socket's place in the hub, which it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Hub,
    user_id: String,
    id: Uuid,
    /// Says when somebody else wants it closed.
    pub(super) closed: oneshot::Receiver<Close>,
}

/// What a socket holds from before its upgrade until it is closed.
#[derive(Debug)]
pub(super) struct Held {
    _place: OwnedSemaphorePermit,
    _awaited: TaskTrackerToken,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// An empty hub with room for everybody.
    #[must_use]
    pub fn new() -> Self {
        Self::with_places(Semaphore::MAX_PERMITS)
    }

    /// An empty hub with room for so many sockets.
    #[must_use]
    pub fn with_places(places: usize) -> Self {
        Self(Arc::new(Inner {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            users: Mutex::default(),
            sockets: TaskTracker::new(),
            pulls: Pulls::default(),
        }))
    }

    /// Ends when the last socket of this replica is closed; nobody may open one any
    /// more. The sockets close by themselves once [`crate::app::App::stop`] is
    /// cancelled, but a peer that is silent takes its time: the caller has the deadline.
    pub async fn drained(&self) {
        self.0.sockets.close();
        self.0.sockets.wait().await;
    }

    /// Closes this replica's sockets as their sessions end, for as long as it is polled.
    pub async fn follow(&self, ended: &Ended) {
        let mut more = ended.watch();
        loop {
            self.close_ended(|user_id, session_id| ended.contains(user_id, session_id));
            // Whoever remembers them is borrowed: it does not go away.
            if more.changed().await.is_err() {
                return;
            }
        }
    }

    /// Closes this replica's sockets of sessions that `is_over` names, by user and
    /// session, with 4401.
    pub fn close_ended(&self, is_over: impl Fn(&str, &str) -> bool) {
        self.users().retain(|user_id, entries| {
            let (ended, rest) = std::mem::take(entries)
                .into_iter()
                .partition::<VecDeque<_>, _>(|entry| is_over(user_id, &entry.session_id));
            *entries = rest;
            for entry in ended {
                entry.end(Close::Revoked);
            }
            !entries.is_empty()
        });
    }

    /// What the sockets are reading.
    pub(super) fn pulls(&self) -> Pulls {
        self.0.pulls.clone()
    }

    /// How many sockets are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users().values().map(VecDeque::len).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// To be held from before the upgrade until the socket is closed, so that
    /// [`Hub::drained`] waits for it; none when this replica has no room.
    pub(super) fn hold(&self) -> Option<Held> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        Some(Held {
            _place: place,
            _awaited: self.0.sockets.token(),
        })
    }

    /// Takes a socket in. Beyond `limit` sockets of a user the oldest are closed.
    pub(super) fn enter(&self, user_id: &str, session_id: &str, limit: usize) -> Seat {
        let id = new_id();
        let (close, closed) = oneshot::channel();
        let mut users = self.users();
        let entries = users.entry(user_id.to_owned()).or_default();
        entries.push_back(Entry {
            id,
            session_id: session_id.to_owned(),
            close,
        });
        while entries.len() > limit.max(1) {
            if let Some(oldest) = entries.pop_front() {
                oldest.end(Close::TooMany);
            }
        }
        drop(users);
        meters().websockets.increment(1.0);
        Seat {
            hub: self.clone(),
            user_id: user_id.to_owned(),
            id,
            closed,
        }
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Entry>>> {
        // A panic elsewhere leaves the map whole enough: an entry too many does nothing.
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn end(self, close: Close) {
        // A socket that no longer listens is closing already.
        let _ = self.close.send(close);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        meters().websockets.decrement(1.0);
        let mut users = self.hub.users();
        if let Some(entries) = users.get_mut(&self.user_id) {
            entries.retain(|entry| entry.id != self.id);
            if entries.is_empty() {
                users.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_closes_the_oldest_of_that_user() {
        let hub = Hub::new();
        let mut other = hub.enter("user_b", "sess_b", 2);
        let mut seats = [(); 4].map(|()| hub.enter("user_a", "sess_a", 2));
        let closed = seats.each_mut().map(|seat| seat.closed.try_recv().ok());
        assert_eq!(
            closed,
            [Some(Close::TooMany), Some(Close::TooMany), None, None]
        );
        assert!(other.closed.try_recv().is_err());
        assert_eq!(hub.len(), 3);
    }

    #[test]
    fn whoever_leaves_makes_room() {
        let hub = Hub::new();
        drop(hub.enter("user_a", "sess_a", 1));
        assert!(hub.is_empty());
        assert!(hub.users().is_empty());
        let mut seat = hub.enter("user_a", "sess_a", 1);
        assert!(seat.closed.try_recv().is_err());
    }

    #[test]
    fn a_session_ends_with_all_its_sockets() {
        let hub = Hub::new();
        let mut ended = [(); 2].map(|()| hub.enter("user_a", "sess_1", 9));
        let mut kept = hub.enter("user_a", "sess_2", 9);
        hub.close_ended(|user_id, session_id| (user_id, session_id) == ("user_a", "sess_1"));
        for seat in &mut ended {
            assert_eq!(seat.closed.try_recv(), Ok(Close::Revoked));
        }
        assert!(kept.closed.try_recv().is_err());
        assert_eq!(hub.len(), 1);
    }

    #[test]
    fn a_replica_has_room_for_so_many() {
        let hub = Hub::with_places(2);
        let held = [hub.hold().unwrap(), hub.hold().unwrap()];
        assert!(hub.hold().is_none());
        drop(held);
        assert!(hub.hold().is_some());
    }

    #[tokio::test]
    async fn the_hub_is_drained_when_the_last_socket_is_gone() {
        let hub = Hub::new();
        let held = hub.hold().unwrap();
        let mut drained = std::pin::pin!(hub.drained());
        assert!(futures_util::poll!(&mut drained).is_pending());
        drop(held);
        drained.await;
    }
}

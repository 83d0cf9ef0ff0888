//! This replica's registry of viewers: who listens, and how far their streams go.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

use super::{inbox::Inbox, rendered::Fresh};
use crate::{
    db::stream::{Entry, Head},
    model::transient::Transient,
};

/// Of a viewer not more frames are kept at hand, however many one commit brings: a socket
/// takes no more at once.
pub const MOST_AT_HAND: usize = 64;

/// Says that there is something new. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    viewers: Mutex<HashMap<String, Viewer>>,
    /// The database's, as it was last read.
    epoch: watch::Sender<Option<Uuid>>,
    hints: mpsc::UnboundedSender<Hint>,
    sessions: Notify,
}

#[derive(Debug, Default)]
struct Viewer {
    head: watch::Sender<Tip>,
    /// One of each listener.
    inboxes: Vec<Arc<Inbox>>,
}

/// How far a viewer's stream goes, as far as is known.
#[derive(Debug, Clone, Default)]
pub struct Tip {
    /// The last position.
    pub position: i64,
    entries: Arc<[Entry]>,
    fresh: Option<Arc<Fresh>>,
}

/// Frames that need not be read from the outbox.
#[derive(Debug, Clone)]
pub struct AtHand {
    /// The frames.
    pub entries: Arc<[Entry]>,
    /// All that they show, if that need not be read either.
    pub fresh: Option<Arc<Fresh>>,
}

impl Tip {
    /// All frames after a position, if they are at hand: nobody else has committed any since
    /// it was the last one.
    #[must_use]
    pub fn after(&self, position: i64, now: Instant) -> Option<AtHand> {
        let first = self.entries.first()?;
        (first.position == position + 1).then(|| AtHand {
            entries: Arc::clone(&self.entries),
            fresh: self.fresh.clone().filter(|fresh| fresh.is_fresh(now)),
        })
    }
}

/// What other replicas are told.
#[derive(Debug, Clone)]
pub(super) enum Hint {
    /// A stream goes further.
    Head(Head),
    /// Something passes.
    Transient(Arc<Transient>),
    /// Sessions have ended.
    Sessions,
}

/// One listener's end. The viewer is forgotten with the last of them.
#[derive(Debug)]
pub struct Subscription {
    /// The last known position; changes when the stream goes on.
    pub head: watch::Receiver<Tip>,
    /// Typing and receipts.
    pub transients: Arc<Inbox>,
    forget: Forget,
}

#[derive(Debug)]
struct Forget {
    feed: Feed,
    user_id: String,
    inbox: Arc<Inbox>,
}

impl Feed {
    /// A feed, and the hints that a [`super::Relay`] carries to other replicas.
    pub(super) fn with_hints() -> (Self, mpsc::UnboundedReceiver<Hint>) {
        let (hints, carried) = mpsc::unbounded_channel();
        (
            Self(Arc::new(Inner {
                viewers: Mutex::default(),
                epoch: watch::Sender::new(None),
                hints,
                sessions: Notify::new(),
            })),
            carried,
        )
    }

    /// Listens for a viewer.
    #[must_use]
    pub fn subscribe(&self, user_id: &str) -> Subscription {
        let mut viewers = self.viewers();
        let viewer = viewers.entry(user_id.to_owned()).or_default();
        let inbox = Arc::<Inbox>::default();
        viewer.inboxes.push(Arc::clone(&inbox));
        Subscription {
            head: viewer.head.subscribe(),
            transients: Arc::clone(&inbox),
            forget: Forget {
                feed: self.clone(),
                user_id: user_id.to_owned(),
                inbox,
            },
        }
    }

    /// Whether anybody listens here for a viewer.
    #[must_use]
    pub fn listens(&self, user_id: &str) -> bool {
        self.viewers().contains_key(user_id)
    }

    /// Lets go of what was read along with commits and is no longer sent.
    pub(super) fn forget_stale(&self, now: Instant) {
        for viewer in self.viewers().values() {
            viewer.head.send_if_modified(|known| {
                known.fresh.take_if(|fresh| !fresh.is_fresh(now));
                // Nobody has to look because of that.
                false
            });
        }
    }

    /// Announces committed frames, here and to other replicas.
    pub fn advance(&self, heads: &[Head]) {
        self.advance_here(heads);
        for head in heads {
            // Only a relay that has ended does not listen, and then nobody does.
            let head = Head::at(head.user_id.clone(), head.position);
            let _ = self.0.hints.send(Hint::Head(head));
        }
    }

    /// Takes note of the database's epoch. With another one all that was known of the
    /// streams is void, and so are the subscriptions: see [`Subscription::is_of`].
    pub fn epoch_is(&self, epoch: Uuid) {
        let before = self.0.epoch.send_replace(Some(epoch));
        if before.is_some_and(|before| before != epoch) {
            for viewer in self.viewers().values() {
                // Whoever listens is to look up.
                viewer.head.send_replace(Tip::default());
            }
        }
    }

    /// Passes typing and receipts on, here and to other replicas.
    pub fn pass(&self, transients: Vec<Transient>) {
        for transient in transients.into_iter().map(Arc::new) {
            self.pass_here(&transient);
            let _ = self.0.hints.send(Hint::Transient(transient));
        }
    }

    /// Tells other replicas that sessions have ended, which they read from the database.
    pub fn sessions_ended(&self) {
        let _ = self.0.hints.send(Hint::Sessions);
    }

    /// Returns when another replica has said so since it was last asked. For one listener.
    pub async fn sessions_to_read(&self) {
        self.0.sessions.notified().await;
    }

    pub(super) fn read_sessions_here(&self) {
        self.0.sessions.notify_one();
    }

    /// Announces committed frames to this replica's sockets. A head only ever rises.
    pub(super) fn advance_here(&self, heads: &[Head]) {
        let viewers = self.viewers();
        for head in heads {
            if let Some(viewer) = viewers.get(&head.user_id) {
                viewer.head.send_if_modified(|known| {
                    let further = head.position > known.position;
                    if further {
                        known.position = head.position;
                        let is_kept = head.entries.len() <= MOST_AT_HAND;
                        let kept = is_kept.then_some(head);
                        known.entries = kept.map(|head| head.entries.clone()).unwrap_or_default();
                        let along = kept.and_then(|head| head.along.clone());
                        known.fresh = along.map(|along| Arc::new(Fresh::new(along)));
                    }
                    further
                });
            }
        }
    }

    pub(super) fn pass_here(&self, transient: &Arc<Transient>) {
        let viewers = self.viewers();
        for viewer in transient
            .user_ids
            .iter()
            .filter_map(|user_id| viewers.get(user_id))
        {
            for inbox in &viewer.inboxes {
                inbox.put(Arc::clone(transient));
            }
        }
    }

    /// Whoever listens here.
    pub(super) fn listening(&self) -> Vec<String> {
        self.viewers().keys().cloned().collect()
    }

    fn viewers(&self) -> MutexGuard<'_, HashMap<String, Viewer>> {
        // A panic elsewhere leaves the map whole: each change of it is one insert or remove.
        self.0
            .viewers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Whether this still is the database's epoch, as far as is known. `head` changes
    /// when it no longer is.
    #[must_use]
    pub fn is_of(&self, epoch: Uuid) -> bool {
        let known = *self.forget.feed.0.epoch.borrow();
        known.is_none_or(|known| known == epoch)
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        let mut viewers = self.feed.viewers();
        if let Some(viewer) = viewers.get_mut(&self.user_id) {
            viewer
                .inboxes
                .retain(|inbox| !Arc::ptr_eq(inbox, &self.inbox));
            if viewer.inboxes.is_empty() {
                viewers.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rendered::FRESH, *};
    use crate::db::stream::Along;

    fn head(user_id: &str, position: i64) -> Head {
        Head::at(user_id.to_owned(), position)
    }

    #[test]
    fn a_head_only_rises() {
        let (feed, _hints) = Feed::with_hints();
        let mut listener = feed.subscribe("a");
        feed.advance(&[head("a", 5), head("b", 1)]);
        assert_eq!(listener.head.borrow_and_update().position, 5);
        feed.advance(&[head("a", 4)]);
        assert!(!listener.head.has_changed().unwrap());
    }

    #[test]
    fn frames_are_at_hand_for_whoever_has_all_before_them() {
        let (feed, _hints) = Feed::with_hints();
        let listener = feed.subscribe("a");
        let entry = |position| Entry {
            position,
            kind: None,
            at: chrono::DateTime::UNIX_EPOCH,
        };
        let appended = |positions: std::ops::RangeInclusive<i64>| Head {
            entries: positions.clone().map(entry).collect(),
            ..head("a", *positions.end())
        };
        let after = |position| {
            let at_hand = listener.head.borrow().after(position, Instant::now())?;
            let positions = at_hand.entries.iter().map(|e| e.position);
            Some(positions.collect::<Vec<_>>())
        };
        feed.advance(&[appended(4..=5)]);
        assert_eq!(after(3), Some(vec![4, 5]));
        assert_eq!((after(2), after(4), after(5)), (None, None, None));
        // What was committed later and is announced first is all that is known to be last.
        feed.advance(&[appended(7..=7)]);
        feed.advance(&[appended(6..=6)]);
        assert_eq!((after(5), after(6)), (None, Some(vec![7])));
        // Of what another replica has committed only the position is known.
        feed.advance(&[head("a", 8)]);
        assert_eq!((after(6), after(7)), (None, None));
        feed.advance(&[appended(9..=73)]);
        assert_eq!(after(8), None);
        feed.advance(&[appended(74..=137)]);
        assert_eq!(after(73).map(|all| all.len()), Some(64));
    }

    fn read(position: i64, read_at: Instant) -> Head {
        Head {
            entries: Arc::new([Entry {
                position,
                kind: None,
                at: chrono::DateTime::UNIX_EPOCH,
            }]),
            along: Some(Along {
                shown: Arc::new([]),
                read_at,
            }),
            ..head("a", position)
        }
    }

    #[test]
    fn what_was_read_along_with_a_commit_is_sent_soon_or_not_at_all() {
        let (feed, _hints) = Feed::with_hints();
        let mut listener = feed.subscribe("a");
        let before = Instant::now();
        let later = before + FRESH;
        feed.advance(&[read(1, before)]);
        listener.head.mark_unchanged();
        let is_fresh = |now| {
            let at_hand = listener.head.borrow().after(0, now).unwrap();
            at_hand.fresh.is_some()
        };
        assert!(is_fresh(before) && !is_fresh(later));
        feed.forget_stale(before);
        assert!(is_fresh(before));
        // It is let go of when it is old, and its frames are not.
        feed.forget_stale(later);
        assert!(!is_fresh(before));
        assert!(!listener.head.has_changed().unwrap(), "nobody has to look");
    }

    #[test]
    fn what_is_not_known_to_be_all_is_not_at_hand() {
        let (feed, _hints) = Feed::with_hints();
        let listener = feed.subscribe("a");
        let now = Instant::now();
        feed.advance(&[read(1, now)]);
        // What another replica commits.
        feed.advance(&[head("a", 2)]);
        assert!(listener.head.borrow().after(0, now).is_none());
        assert!(listener.head.borrow().fresh.is_none());
        assert!(feed.listens("a") && !feed.listens("b"));
    }

    #[test]
    fn a_restored_database_is_told_to_whoever_listens() {
        let (feed, _hints) = Feed::with_hints();
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let mut listener = feed.subscribe("a");
        feed.epoch_is(one);
        feed.advance(&[head("a", 5)]);
        assert_eq!(listener.head.borrow_and_update().position, 5);
        feed.epoch_is(one);
        assert!(!listener.head.has_changed().unwrap());
        assert!(listener.is_of(one));
        feed.epoch_is(other);
        assert!(listener.head.has_changed().unwrap());
        assert!(!listener.is_of(one));
        // Its streams may be shorter.
        feed.advance(&[head("a", 3)]);
        assert_eq!(listener.head.borrow_and_update().position, 3);
    }

    #[test]
    fn the_last_listener_takes_the_viewer_along() {
        let (feed, _hints) = Feed::with_hints();
        let first = feed.subscribe("a");
        let second = feed.subscribe("a");
        drop(first);
        assert_eq!(feed.listening(), ["a"]);
        drop(second);
        assert!(feed.listening().is_empty());
    }
}

//! One read for all sockets of a viewer that want the same part of the stream: whoever has
//! ten tabs open costs the database what one of them does.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use uuid::Uuid;

use super::pull::{Pulled, pull};
use crate::{
    app::App,
    db::{self, stream::Entry},
};

/// What a read comes to, for each of those who share it.
pub(super) type Outcome = Result<Arc<Pulled>, Arc<db::Error>>;
/// A read that is under way, driven by whoever waits for it.
pub(super) type Pull = Shared<BoxFuture<'static, Outcome>>;

/// Which part of whose stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    pub(super) user_id: String,
    pub(super) epoch: Uuid,
    /// After this position.
    pub(super) position: i64,
    /// At most so many frames.
    pub(super) limit: usize,
}

/// The reads that are under way on this replica. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulls(Arc<Mutex<HashMap<Part, Underway>>>);

/// Whoever waits for a read keeps it, nobody else: with the last of them it is dropped,
/// and its connection goes back.
#[derive(Debug)]
struct Underway {
    read: WeakShared<BoxFuture<'static, Outcome>>,
    /// Which read it is: a later one of the same part is another.
    id: Arc<()>,
}

impl Pulls {
    /// What is pulled for this part; where they are at hand, for these frames of it.
    pub(super) fn of(&self, app: &Arc<App>, part: Part, at_hand: Option<Arc<[Entry]>>) -> Pull {
        let app = Arc::clone(app);
        self.share(part, |part| async move { pull(&app, &part, at_hand).await })
    }

    /// The read of this part that is under way, or else a new one. One that has ended is
    /// shared no more: what has been committed since would not be in it.
    fn share<F>(&self, part: Part, read: impl FnOnce(Part) -> F) -> Pull
    where
        F: Future<Output = Result<Pulled, db::Error>> + Send + 'static,
    {
        let mut underway = self.underway();
        if let Some(read) = underway.get(&part).and_then(|one| one.read.upgrade()) {
            return read;
        }
        let id = Arc::new(());
        let forget = Forget {
            pulls: self.clone(),
            part: part.clone(),
            id: Arc::clone(&id),
        };
        let read = read(part.clone());
        let read = async move {
            let read = read.await;
            drop(forget);
            read.map(Arc::new).map_err(Arc::new)
        };
        let read = read.boxed().shared();
        if let Some(weak) = read.downgrade() {
            underway.insert(part, Underway { read: weak, id });
        }
        read
    }

    fn underway(&self) -> MutexGuard<'_, HashMap<Part, Underway>> {
        // A panic elsewhere leaves the map whole: each change of it is one insert or remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a read off the list when it has ended, or is dropped.
struct Forget {
    pulls: Pulls,
    part: Part,
    id: Arc<()>,
}

impl Drop for Forget {
    fn drop(&mut self) {
        let mut underway = self.pulls.underway();
        if underway
            .get(&self.part)
            .is_some_and(|one| Arc::ptr_eq(&one.id, &self.id))
        {
            underway.remove(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn part(user_id: &str, position: i64) -> Part {
        Part {
            user_id: user_id.to_owned(),
            epoch: Uuid::nil(),
            position,
            limit: 64,
        }
    }

    /// Reads that count themselves and end when they are told.
    #[derive(Default)]
    struct Reads {
        pulls: Pulls,
        begun: AtomicUsize,
        end: Arc<Notify>,
    }

    impl Reads {
        fn of(&self, part: Part) -> Pull {
            self.pulls.share(part, |part| {
                let nth = self.begun.fetch_add(1, Ordering::Relaxed);
                let end = Arc::clone(&self.end);
                async move {
                    end.notified().await;
                    Ok(Pulled::Pruned(part.position + i64::try_from(nth).unwrap()))
                }
            })
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn who_wants_the_same_shares_one_read() {
        let reads = Reads::default();
        let (one, other) = (reads.of(part("a", 7)), reads.of(part("a", 7)));
        reads.end.notify_one();
        let (one, other) = tokio::join!(one, other);
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        assert_eq!(reads.begun(), 1);
    }

    #[tokio::test]
    async fn nobody_shares_what_is_somebody_elses_or_another_part() {
        let reads = Reads::default();
        let _all = [part("a", 7), part("b", 7), part("a", 8)].map(|part| reads.of(part));
        let smaller = Part {
            limit: 1,
            ..part("a", 7)
        };
        let restored = Part {
            epoch: Uuid::max(),
            ..part("a", 7)
        };
        let _more = [smaller, restored].map(|part| reads.of(part));
        assert_eq!(reads.begun(), 5);
    }

    #[tokio::test]
    async fn a_read_that_has_ended_is_not_shared() {
        let reads = Reads::default();
        let one = reads.of(part("a", 7));
        reads.end.notify_one();
        one.clone().await.unwrap();
        assert!(reads.pulls.underway().is_empty());
        let _other = reads.of(part("a", 7));
        assert_eq!(reads.begun(), 2);
    }

    #[tokio::test]
    async fn a_read_ends_with_the_last_who_waits_for_it() {
        let reads = Reads::default();
        let (one, other) = (reads.of(part("a", 7)), reads.of(part("a", 7)));
        drop(one);
        assert_eq!(reads.pulls.underway().len(), 1);
        drop(other);
        assert!(reads.pulls.underway().is_empty());
    }
}

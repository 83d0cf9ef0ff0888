//! Where thumbnails are made: few at a time, since each may take a hundred megabytes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Bounds, NotDrawn, draw::draw};

/// How many are made at once.
const PLACES: usize = 2;
/// How many of them for one user: whoever asks for much waits for themselves.
const OF_A_USER: usize = 1;

/// Pictures that could not be drawn and are remembered: less than a megabyte.
const MOST_HOPELESS: usize = 8192;

/// Gives out places to draw at.
#[derive(Debug, Clone)]
pub struct Studio {
    places: Arc<Semaphore>,
    /// Of the users who draw or wait.
    users: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
    hopeless: Arc<Mutex<Hopeless>>,
}

/// SHA-256 of pictures that could not be drawn, the last one last.
#[derive(Debug, Default)]
struct Hopeless {
    known: HashSet<[u8; 32]>,
    in_order: VecDeque<[u8; 32]>,
}

/// A place, for one thumbnail. Taken before the picture is read: those who wait hold nothing.
#[derive(Debug)]
pub struct Place {
    _turn: Option<OwnedSemaphorePermit>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Studio {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            users: Arc::default(),
            hopeless: Arc::default(),
        }
    }
}

impl Studio {
    /// With all its places free.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for this user's turn, and for a place.
    pub async fn place(&self, user_id: &str) -> Place {
        // Neither is ever closed.
        let turn = self.turns(user_id).acquire_owned().await.ok();
        Place {
            _turn: turn,
            _permit: Arc::clone(&self.places).acquire_owned().await.ok(),
        }
    }

    /// Whether a picture with this SHA-256 could not be drawn: in no other size either.
    #[must_use]
    pub fn is_hopeless(&self, hash: &[u8; 32]) -> bool {
        let hopeless = self.hopeless.lock();
        let hopeless = hopeless.unwrap_or_else(PoisonError::into_inner);
        hopeless.known.contains(hash)
    }

    /// Remembers that a picture could not be drawn, and in its stead forgets the one that it
    /// remembers the longest: whoever asks for that pays for another try.
    pub fn give_up(&self, hash: [u8; 32]) {
        let hopeless = self.hopeless.lock();
        let mut hopeless = hopeless.unwrap_or_else(PoisonError::into_inner);
        if !hopeless.known.insert(hash) {
            return;
        }
        hopeless.in_order.push_back(hash);
        if hopeless.in_order.len() > MOST_HOPELESS
            && let Some(oldest) = hopeless.in_order.pop_front()
        {
            hopeless.known.remove(&oldest);
        }
    }

    fn turns(&self, user_id: &str) -> Arc<Semaphore> {
        // Each change of the map is whole: a panic elsewhere leaves it usable.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = users.get(user_id).and_then(Weak::upgrade) {
            return turns;
        }
        users.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(OF_A_USER));
        users.insert(user_id.to_owned(), Arc::downgrade(&turns));
        turns
    }
}

impl Place {
    /// Draws a picture, beside the tasks that must not wait for it. Whoever gives up
    /// waiting leaves the place taken until it is drawn.
    ///
    /// # Errors
    ///
    /// [`NotDrawn`] says why there is none; a decoder that panicked has read none.
    pub async fn draw(self, picture: Bytes, bounds: Bounds) -> Result<Bytes, NotDrawn> {
        let drawing = tokio::task::spawn_blocking(move || {
            let drawn = draw(&picture, bounds);
            drop(self);
            drawn
        });
        let drawn = drawing.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a decoder of pictures panicked");
            Err(NotDrawn::Panicked)
        });
        drawn.map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn there_are_few_places_and_each_is_free_again() {
        let studio = Studio::new();
        let mut taken = Vec::new();
        for n in 0..PLACES {
            taken.push(studio.place(&n.to_string()).await);
        }
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, studio.place("other")).await.is_err());
        let bounds = Bounds::parse("32x32").unwrap();
        let first = taken.pop().unwrap();
        assert!(first.draw(Bytes::from_static(b"x"), bounds).await.is_err());
        assert!(timeout(soon, studio.place("other")).await.is_ok());
    }

    #[test]
    fn what_cannot_be_drawn_is_remembered_and_not_without_end() {
        let studio = Studio::new();
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            hash
        };
        for n in 0..=MOST_HOPELESS {
            assert!(!studio.is_hopeless(&hash(n)));
            studio.give_up(hash(n));
            studio.give_up(hash(n));
        }
        assert!(!studio.is_hopeless(&hash(0)), "the oldest one");
        assert!((1..=MOST_HOPELESS).all(|n| studio.is_hopeless(&hash(n))));
    }

    #[tokio::test]
    async fn nobody_takes_all_places() {
        let studio = Studio::new();
        let first = studio.place("one").await;
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, studio.place("one")).await.is_err());
        assert!(timeout(soon, studio.place("other")).await.is_ok());
        drop(first);
        assert!(timeout(soon, studio.place("one")).await.is_ok());
        drop(studio.place("third").await);
        assert_eq!(
            studio.users.lock().unwrap().len(),
            1,
            "who has gone is forgotten"
        );
    }
}

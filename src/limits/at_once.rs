//! How much of what takes long may be going on at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::TooMany;
use crate::meters::meters;

/// When a user who has too much going on may ask again.
const AGAIN: Duration = Duration::from_secs(5);

/// So many tasks of each user, of which so many are in the database at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AtOnce(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    of_a_user: usize,
    going_on: Mutex<HashMap<String, usize>>,
    working: Semaphore,
}

impl AtOnce {
    pub(super) fn new(of_a_user: usize, working: usize) -> Self {
        Self(Arc::new(Inner {
            of_a_user,
            going_on: Mutex::default(),
            working: Semaphore::new(working),
        }))
    }

    /// Begins a task of a user's, which lasts as long as what this returns.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when they have as many as they may.
    pub fn begin(&self, user_id: &str) -> Result<Task, TooMany> {
        let mut going_on = self.0.going_on();
        let count = going_on.entry(user_id.to_owned()).or_default();
        if *count >= self.0.of_a_user {
            meters().rate_limited.of("task").increment(1);
            return Err(TooMany { retry_after: AGAIN });
        }
        *count += 1;
        Ok(Task {
            all: self.clone(),
            user_id: user_id.to_owned(),
        })
    }
}

impl Inner {
    /// Each change of the map is one number: a panic elsewhere leaves it whole.
    fn going_on(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.going_on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task of a user's that is going on.
#[derive(Debug)]
pub struct Task {
    all: AtOnce,
    user_id: String,
}

impl Task {
    /// Waits for its turn in the database, which lasts as long as what this returns.
    pub async fn turn(&self) -> Turn<'_> {
        // An error is a semaphore that was closed, which nobody does.
        Turn(self.all.0.working.acquire().await.ok())
    }
}

/// A turn in the database.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub struct Turn<'a>(#[expect(dead_code, reason = "it is held")] Option<SemaphorePermit<'a>>);

impl Drop for Task {
    fn drop(&mut self) {
        let mut going_on = self.all.0.going_on();
        if let Some(count) = going_on.get_mut(&self.user_id) {
            *count -= 1;
            if *count == 0 {
                going_on.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_user_has_so_many_and_others_have_theirs() {
        let all = AtOnce::new(2, 9);
        let (first, second) = (all.begin("a").unwrap(), all.begin("a").unwrap());
        assert_eq!(all.begin("a").unwrap_err().retry_after, AGAIN);
        drop(all.begin("b").unwrap());
        drop(first);
        drop(all.begin("a").unwrap());
        drop(second);
        assert!(all.0.going_on().is_empty(), "nobody is remembered");
    }

    #[test]
    fn whoever_is_one_too_many_in_the_database_waits() {
        let all = AtOnce::new(1, 1);
        let (one, other) = (all.begin("a").unwrap(), all.begin("b").unwrap());
        let turn = one.turn().now_or_never().unwrap();
        assert!(other.turn().now_or_never().is_none());
        drop(turn);
        assert!(other.turn().now_or_never().is_some());
    }
}

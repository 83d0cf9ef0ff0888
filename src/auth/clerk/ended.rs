//! Sessions that are over before their tokens are.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::Session;

/// Knows which sessions and users Clerk has ended, in memory: to ask it costs no query.
/// Cheap to clone; all clones know the same.
#[derive(Debug, Clone, Default)]
pub struct Ended(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Until when each is remembered; sessions and users differ by their prefix.
    until: RwLock<HashMap<String, DateTime<Utc>>>,
    more: watch::Sender<()>,
}

impl Ended {
    /// Remembers sessions and users until then, and forgets those whose time is over `now`.
    pub fn remember(
        &self,
        ids: impl IntoIterator<Item = String>,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        // A panic elsewhere leaves the map whole: each change of it is one insert or remove.
        let mut known = self.0.until.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, until| *until > now);
        let before = known.len();
        for id in ids {
            known.entry(id).or_insert(until);
        }
        let is_more = known.len() > before;
        drop(known);
        if is_more {
            self.0.more.send_replace(());
        }
    }

    /// Whether this session is over, by itself or with its user.
    #[must_use]
    pub fn covers(&self, session: &Session) -> bool {
        self.contains(&session.user_id, &session.session_id)
    }

    /// Whether this session of this user is over.
    #[must_use]
    pub fn contains(&self, user_id: &str, session_id: &str) -> bool {
        let known = self.0.until.read().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(session_id) || known.contains_key(user_id)
    }

    /// Changes when more have ended.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<()> {
        self.0.more.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_session_is_over_by_itself_or_with_its_user() {
        let ended = Ended::default();
        ended.remember(["sess_1".to_owned(), "user_b".to_owned()], at(10), at(0));
        assert!(ended.contains("user_a", "sess_1"));
        assert!(ended.contains("user_b", "sess_2"));
        assert!(!ended.contains("user_a", "sess_2"));
    }

    #[test]
    fn it_is_remembered_for_its_time_and_told_once() {
        let ended = Ended::default();
        let mut more = ended.watch();
        let remember = |id: &str, now| ended.remember([id.to_owned()], at(10), at(now));
        remember("sess_1", 0);
        assert!(more.has_changed().unwrap());
        more.mark_unchanged();
        remember("sess_1", 5);
        assert!(!more.has_changed().unwrap());
        assert!(ended.contains("user_a", "sess_1"));
        ended.remember([], at(30), at(10));
        assert!(!ended.contains("user_a", "sess_1"));
    }
}

//! How far a walk goes, and how far it is.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::page::Page;
use crate::{db::walks::Walk, fold, model::time::rfc3339};

/// How far back a walk goes: whichever limit comes first ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Days.
    pub days: u32,
    /// Messages, not counting reactions, edits and state.
    pub max_messages: u32,
}

impl Span {
    /// As a job's payload.
    #[must_use]
    pub fn payload(self) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert("days".to_owned(), self.days.into());
        payload.insert("maxMessages".to_owned(), self.max_messages.into());
        payload
    }

    /// The time before which nothing is asked for.
    #[must_use]
    pub(super) fn cut(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - TimeDelta::days(self.days.into())
    }

    /// Why a walk that went so far is over already, if it is.
    #[must_use]
    pub(super) fn is_met_by(self, walk: &Walk, now: DateTime<Utc>) -> Option<&'static str> {
        if walk.is_whole {
            Some("start")
        } else if walk.messages >= i64::from(self.max_messages) {
            Some("messages")
        } else if walk.cut_at.is_some_and(|cut| cut <= self.cut(now)) {
            Some("days")
        } else {
            None
        }
    }
}

/// How far a walk is: what a crash must not lose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// The version of the fold that has stored the pages so far.
    pub fold: i32,
    /// Where the next page starts; none for the newest event.
    pub from: Option<String>,
    /// Events read.
    pub fetched: u64,
    /// Messages between the newest event and `from`, also those of earlier walks.
    pub messages: u64,
    /// Messages that were new.
    pub stored: u64,
    /// The shown time of the oldest message read, RFC 3339.
    pub oldest_at: Option<String>,
    /// The first page of which not everything was asked for: a walk that goes further
    /// has to begin there.
    pub left: Option<Left>,
}

/// A page of which something was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// Where it starts; none for the newest event.
    pub from: Option<String>,
    /// Messages before it.
    pub messages: u64,
}

impl Progress {
    /// What it tells people, by key, of all walks of a job: the messages that the first one
    /// has stored are still there when a second one finds nothing to do. Events count as
    /// often as they are read: "0 events, 300 new messages" would be true of no walk, and
    /// the second goes on where the first has ended, unless all has to be read again.
    pub(super) const TOLD: &'static [&'static str] = &["fetched", "stored", "oldestAt"];

    /// A walk that begins at the newest event.
    #[must_use]
    pub(super) fn begun() -> Self {
        Self {
            fold: fold::VERSION,
            ..Self::default()
        }
    }

    /// The work goes on from where another walk ended.
    #[must_use]
    pub(super) fn further(&self, walk: &Walk) -> Self {
        Self {
            fetched: self.fetched,
            stored: self.stored,
            from: walk.token.clone(),
            messages: u64::try_from(walk.token_messages).unwrap_or(0),
            oldest_at: walk.oldest_at.map(rfc3339),
            ..Self::begun()
        }
    }

    /// The same work from the newest event again.
    #[must_use]
    pub(super) fn over(&self) -> Self {
        Self {
            fetched: self.fetched,
            stored: self.stored,
            ..Self::begun()
        }
    }

    /// How far it is behind a page.
    #[must_use]
    pub(super) fn after(&self, page: &Page) -> Self {
        let oldest = page.oldest.map(rfc3339);
        let is_left = page.older > 0 || page.is_cut;
        let here = || Left {
            from: self.from.clone(),
            messages: self.messages,
        };
        Self {
            fold: self.fold,
            from: page.end.clone(),
            fetched: self.fetched + page.fetched,
            messages: self.messages + page.messages,
            stored: self.stored,
            // One format, so that the order of the texts is that of the times.
            oldest_at: self.oldest_at.clone().into_iter().chain(oldest).min(),
            left: self.left.clone().or_else(|| is_left.then(here)),
        }
    }

    /// Why a walk that is so far ends with this page, if it does.
    #[must_use]
    pub(super) fn ended(&self, page: &Page) -> Option<&'static str> {
        match page.ended() {
            // The beginning, but not of all that was asked about.
            Some("start") if self.left.is_some() => Some("days"),
            ended => ended,
        }
    }

    /// What a later walk has to know, if this one ends here for this reason.
    #[must_use]
    pub(super) fn walk(&self, ended: Option<&str>, cut: DateTime<Utc>) -> Walk {
        let (token, messages) = match &self.left {
            Some(left) => (left.from.clone(), left.messages),
            None => (self.from.clone(), self.messages),
        };
        let count = |messages| i64::try_from(messages).unwrap_or(i64::MAX);
        let oldest_at = self.oldest_at.as_deref();
        Walk {
            fold_version: self.fold,
            token,
            token_messages: count(messages),
            messages: count(self.messages),
            oldest_at: oldest_at
                .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
                .map(|at| at.to_utc()),
            cut_at: (ended == Some("days")).then_some(cut),
            is_whole: ended.is_some() && self.from.is_none() && self.left.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::page::tests::page, *};

    const MONTH: Span = Span {
        days: 30,
        max_messages: 500,
    };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    #[test]
    fn progress_adds_up_and_keeps_the_oldest() {
        let at = |ms| DateTime::from_timestamp_millis(ms);
        let young = Page {
            oldest: at(2000),
            ..page(Some("t1"), 3, 0)
        };
        let old = Page {
            oldest: at(1000),
            ..page(Some("t2"), 3, 0)
        };
        let progress = Progress::begun().after(&young).after(&old).after(&young);
        assert_eq!((progress.fetched, progress.messages), (15, 9));
        assert_eq!(
            progress.oldest_at.as_deref(),
            Some("1970-01-01T00:00:01.000Z")
        );
        assert_eq!(progress.from.as_deref(), Some("t1"));
    }

    #[test]
    fn a_walk_goes_on_where_the_one_before_has_left_something_out() {
        let progress = Progress::begun().after(&page(Some("t1"), 400, 0));
        let whole = progress.walk(None, now());
        assert_eq!(
            (whole.token.as_deref(), whole.token_messages),
            (Some("t1"), 400)
        );
        let mixed = progress.after(&page(Some("t2"), 50, 7));
        let over = mixed
            .after(&page(Some("t3"), 0, 9))
            .walk(Some("days"), now());
        assert_eq!(
            (over.token.as_deref(), over.token_messages, over.messages),
            (Some("t1"), 400, 450)
        );
        let further = mixed.further(&over);
        assert_eq!(
            (further.from.as_deref(), further.messages),
            (Some("t1"), 400)
        );
        // It is the same work.
        assert_eq!(further.fetched, mixed.fetched);
    }

    #[test]
    fn a_walk_is_over_when_an_earlier_one_went_as_far() {
        let cut = MONTH.cut(now());
        let far = Progress::begun().after(&page(Some("t1"), 400, 0));
        for (walk, over) in [
            (far.walk(None, cut), None),
            (
                far.after(&page(None, 5, 0)).walk(Some("start"), cut),
                Some("start"),
            ),
            // As many as were wanted, and no more than there are.
            (
                far.after(&page(None, 100, 0)).walk(Some("messages"), cut),
                Some("start"),
            ),
            (far.walk(Some("days"), cut), Some("days")),
            (far.walk(Some("days"), cut + TimeDelta::days(1)), None),
            (
                far.after(&page(Some("t2"), 100, 0)).walk(None, cut),
                Some("messages"),
            ),
            // The beginning was reached, but not everything up to it was asked for.
            (far.after(&page(None, 0, 9)).walk(Some("start"), cut), None),
        ] {
            assert_eq!(MONTH.is_met_by(&walk, now()), over, "{walk:?}");
        }
    }
}

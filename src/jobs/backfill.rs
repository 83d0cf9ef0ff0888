//! Walks a room's history backwards, page by page, through the same fold as a push.
//!
//! A page and the token behind it are committed together: whoever dies fetches at
//! most one page again, and a page stored twice changes nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Handler, Lease, Outcome, eyes, retry};
use crate::{
    db::{self, jobs::Job, rooms},
    fold,
    ingest::{self, Batch, Ingest},
    matrix::client::{ClientError, Homeserver, MessagesPage},
    model::{
        frame::{Frame, FrameKind},
        time::rfc3339,
    },
};

/// The job `backfill`; its key is the room id.
pub struct Backfill {
    /// What stores.
    pub ingest: Ingest,
    /// What is asked.
    pub homeserver: Homeserver,
    /// Events asked for at once, 1 to 1000.
    pub page_size: u32,
}

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
    /// Messages read.
    pub messages: u64,
    /// Messages that were new.
    pub stored: u64,
    /// The shown time of the oldest message read, RFC 3339.
    pub oldest_at: Option<String>,
}

/// A decoded page.
struct Page {
    batch: Batch,
    messages: u64,
    fetched: u64,
    /// Messages on it that are older than the cut.
    older: u64,
    /// Whether it was cut short, because that is as many messages as were wanted.
    full: bool,
    oldest: Option<DateTime<Utc>>,
    end: Option<String>,
}

impl Handler for Backfill {
    const KIND: &'static str = "backfill";

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let Ok(span) = serde_json::from_value::<Span>(job.payload.clone()) else {
            return Outcome::Failed {
                error: "the payload has no days or maxMessages".to_owned(),
            };
        };
        // Progress that a later version wrote differently: from the start, which is safe.
        let mut progress: Progress =
            serde_json::from_value(job.progress.clone()).unwrap_or_default();
        if progress.fold != fold::VERSION {
            // Nothing yet, or pages from which an older fold has dropped something.
            progress = Progress {
                fold: fold::VERSION,
                ..Progress::default()
            };
        }
        loop {
            if let Some(interruption) = lease.interruption() {
                return interruption;
            }
            match self.step(&job.key, span, &mut progress, lease).await {
                Ok(None) => {}
                Ok(Some(outcome)) => return outcome,
                Err(error) => {
                    return Outcome::Retry {
                        error: error.to_string(),
                        after: None,
                    };
                }
            }
        }
    }
}

impl Backfill {
    /// Fetches and stores one page; an outcome when the walk is over.
    async fn step(
        &self,
        room_id: &str,
        span: Span,
        progress: &mut Progress,
        lease: &Lease,
    ) -> Result<Option<Outcome>, db::Error> {
        let page = eyes::page(
            &self.homeserver,
            &self.ingest.bridges,
            room_id,
            progress.from.as_deref(),
            self.page_size,
        );
        let raw = match page.await {
            Ok(Some(raw)) => raw,
            Ok(None) => {
                return Ok(Some(Outcome::Failed {
                    error: "nobody whom Tributary may speak for is in the room".to_owned(),
                }));
            }
            // A token that the homeserver has forgotten: from the newest event again.
            Err(ClientError::Matrix { status: 400, .. }) if progress.from.is_some() => {
                progress.from = None;
                return Ok(None);
            }
            Err(error) => return Ok(Some(retry(&error))),
        };
        let page = self.decode(room_id, span, progress, raw);
        let ended = page.ended();
        let after = progress.after(&page);
        match self
            .commit(room_id, page.batch, &after, lease, ended.is_some())
            .await?
        {
            Some(committed) => *progress = committed,
            None => return Ok(Some(Outcome::LeaseLost)),
        }
        Ok(ended.map(|reason| Outcome::Done {
            reason: reason.to_owned(),
        }))
    }

    fn decode(&self, room_id: &str, span: Span, progress: &Progress, raw: MessagesPage) -> Page {
        let now = self.ingest.clock.now();
        let cut = now - TimeDelta::days(span.days.into());
        let wanted = u64::from(span.max_messages).saturating_sub(progress.messages);
        let mut page = Page {
            batch: Batch::default(),
            messages: 0,
            fetched: 0,
            older: 0,
            full: false,
            oldest: None,
            end: raw.end,
        };
        for event in &raw.chunk {
            if page.messages >= wanted {
                page.full = true;
                page.end.clone_from(&progress.from);
                break;
            }
            page.fetched += 1;
            let events = page.batch.events.len();
            page.batch.decode(event, Some(room_id), now);
            let Some(event) = page.batch.events.get(events) else {
                continue;
            };
            if !fold::message::is_new_message(event) {
                continue;
            }
            if event.timestamp() < cut {
                // Older than what was asked for. What came later may still be younger.
                page.batch.events.pop();
                page.older += 1;
                continue;
            }
            page.messages += 1;
            page.oldest = page.oldest.into_iter().chain([event.timestamp()]).min();
        }
        // The senders' member events, as of then: one more fact each.
        for event in &raw.state {
            page.batch.decode(event, Some(room_id), now);
        }
        page.full |= page.messages >= wanted;
        page
    }

    /// Commits a page with its token; none when the job is no longer ours.
    async fn commit(
        &self,
        room_id: &str,
        batch: Batch,
        progress: &Progress,
        lease: &Lease,
        last: bool,
    ) -> Result<Option<Progress>, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        let committed = conn
            .transaction(async |conn| {
                let bridges = &self.ingest.bridges;
                let stored =
                    ingest::store_page(conn, bridges, room_id, batch, progress_frames).await?;
                let new = u64::try_from(stored.new_messages).unwrap_or(u64::MAX);
                let progress = Progress {
                    stored: progress.stored + new,
                    ..progress.clone()
                };
                let row = serde_json::to_value(&progress).unwrap_or_default();
                if !lease.progress(conn, &row).await? {
                    return Err(diesel::result::Error::RollbackTransaction);
                }
                if last {
                    rooms::mark_filled(conn, room_id, fold::VERSION).await?;
                }
                Ok((progress, stored))
            })
            .await;
        match committed {
            Ok((progress, stored)) => {
                self.ingest.feed.advance(&stored.heads);
                Ok(Some(progress))
            }
            Err(diesel::result::Error::RollbackTransaction) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Page {
    /// Why the walk ends with this page, if it does.
    fn ended(&self) -> Option<&'static str> {
        if self.full {
            Some("messages")
        } else if self.older > 0 && (self.messages == 0 || self.end.is_none()) {
            // Order of arrival is not order of time: only a whole page of older
            // messages says that there is nothing younger behind it.
            Some("days")
        } else if self.end.is_none() {
            Some("start")
        } else {
            None
        }
    }
}

impl Progress {
    fn after(&self, page: &Page) -> Self {
        let oldest = page.oldest.map(rfc3339);
        Self {
            fold: self.fold,
            from: page.end.clone(),
            fetched: self.fetched + page.fetched,
            messages: self.messages + page.messages,
            stored: self.stored,
            // One format, so that the order of the texts is that of the times.
            oldest_at: self.oldest_at.clone().into_iter().chain(oldest).min(),
        }
    }
}

fn progress_frames(room: Option<&rooms::Room>) -> Vec<Frame> {
    let Some((room, mapped)) = room.and_then(|room| Some((room, room.mapped.as_ref()?))) else {
        return Vec::new();
    };
    let viewers: BTreeSet<_> = room
        .grants
        .iter()
        .filter(|grant| grant.is_open())
        .map(|grant| &grant.user_id)
        .collect();
    viewers
        .into_iter()
        .map(|user_id| Frame {
            user_id: user_id.clone(),
            kind: FrameKind::BackfillProgress {
                conversation_id: mapped.conversation_id,
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(end: Option<&str>, messages: u64, older: u64, full: bool) -> Page {
        Page {
            batch: Batch::default(),
            messages,
            fetched: 5,
            older,
            full,
            oldest: None,
            end: end.map(str::to_owned),
        }
    }

    #[test]
    fn whichever_limit_comes_first_ends_the_walk() {
        assert_eq!(page(Some("t"), 3, 0, false).ended(), None);
        assert_eq!(page(Some("t"), 3, 2, false).ended(), None);
        assert_eq!(page(Some("t"), 0, 0, false).ended(), None);
        assert_eq!(page(Some("t"), 0, 2, false).ended(), Some("days"));
        assert_eq!(page(None, 3, 0, false).ended(), Some("start"));
        assert_eq!(page(None, 3, 2, false).ended(), Some("days"));
        assert_eq!(page(None, 0, 2, true).ended(), Some("messages"));
    }

    #[test]
    fn progress_adds_up_and_keeps_the_oldest() {
        let at = |ms| DateTime::from_timestamp_millis(ms);
        let young = Page {
            oldest: at(2000),
            ..page(Some("t1"), 3, 0, false)
        };
        let old = Page {
            oldest: at(1000),
            ..page(Some("t2"), 3, 0, false)
        };
        let progress = Progress::default().after(&young).after(&old).after(&young);
        assert_eq!((progress.fetched, progress.messages), (15, 9));
        assert_eq!(
            progress.oldest_at.as_deref(),
            Some("1970-01-01T00:00:01.000Z")
        );
        assert_eq!(progress.from.as_deref(), Some("t1"));
    }
}

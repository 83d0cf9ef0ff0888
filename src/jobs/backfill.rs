//! Walks a room's history backwards, page by page, through the same fold as a push.
//!
//! A page and the token behind it are committed together, so whoever dies goes on
//! from there, and a page stored twice changes nothing. While a page is stored, the
//! next one is fetched. Where a walk ends, a later one that is to go further begins.

mod page;
mod progress;

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use tokio::time::Instant;

use self::page::Page;
pub use self::progress::{Left, Progress, Span};
use super::{
    AfterCommit, Handler, Lease, Outcome,
    endless::{ENDLESS, Patience},
    eyes::Eyes,
    retry,
};
use crate::{
    db::{self, Connection, jobs::Job, rooms, walks},
    fold,
    ingest::{self, Ingest},
    matrix::client::{ClientError, Homeserver, MessagesPage},
    meters::meters,
};

/// The least time between two pages that are told; the end is told beside them, and
/// viewers get at most two frames a second.
const TOLD: Duration = Duration::from_secs(1);

/// Events that Synapse hands out at once.
const MOST: u32 = 1000;

/// The job `backfill`; its key is the room id.
pub struct Backfill {
    /// What stores.
    pub ingest: Ingest,
    /// What is asked.
    pub homeserver: Homeserver,
    /// Events asked for at once, 1 to 1000.
    pub page_size: u32,
}

/// A walk on its way.
struct Walk<'a> {
    room_id: &'a str,
    span: Span,
    lease: &'a Lease,
    eyes: Eyes<'a>,
    told: Option<Instant>,
    /// Whoever died had a page to store and the next one on its way: both are asked for
    /// at once, and stored before another is, so that a death costs no more than one
    /// page fetched again.
    is_resumed: bool,
}

/// What became of a page.
enum Committed {
    /// It is stored, and the walk is so far.
    Stored(Progress),
    /// The job is no longer ours.
    LeaseLost,
    /// Somebody has gained access: what nobody could see until then was not kept.
    Forgotten,
}

type Fetched = Result<Option<MessagesPage>, ClientError>;

impl Handler for Backfill {
    const KIND: &'static str = "backfill";

    const KEPT: &'static [&'static str] = Progress::TOLD;

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let Ok(span) = serde_json::from_value::<Span>(job.payload.clone()) else {
            return Outcome::Failed {
                error: "the payload has no days or maxMessages".to_owned(),
            };
        };
        let mut walk = Walk {
            room_id: &job.key,
            span,
            lease,
            eyes: Eyes::new(&self.homeserver, &self.ingest.bridges, &job.key),
            told: None,
            is_resumed: false,
        };
        // Progress that a later version wrote differently: from the start, which is safe.
        let progress: Progress = serde_json::from_value(job.progress.clone()).unwrap_or_default();
        walk.is_resumed = progress.from.is_some() || job.attempts > 0;
        let walked = match self.begin(&walk, progress).await {
            Ok(Ok(progress)) => self.walk(&mut walk, progress).await,
            Ok(Err(outcome)) => return outcome,
            Err(error) => Err(error),
        };
        walked.unwrap_or_else(|error| Outcome::Retry {
            error: error.to_string(),
            after: None,
        })
    }

    async fn ended(&self, conn: &mut Connection, job: &Job) -> db::Result<AfterCommit> {
        let heads = ingest::tell_backfill(conn, &job.key).await?;
        let feed = self.ingest.feed.clone();
        Ok(Some(Box::new(move || feed.advance(&heads))))
    }
}

impl Backfill {
    /// Where the walk begins, or why it is over at once.
    async fn begin(
        &self,
        walk: &Walk<'_>,
        progress: Progress,
    ) -> Result<Result<Progress, Outcome>, db::Error> {
        let conn = self.ingest.db.get().await?;
        let rooms = rooms::load(&conn, &[walk.room_id.to_owned()]).await?;
        if !rooms.get(walk.room_id).is_some_and(|room| room.enabled) {
            // Switched off while it was asked for.
            return Ok(Err(done("disabled")));
        }
        let known = walks::get(&conn, walk.room_id).await?;
        let known = known.filter(|known| known.fold_version == fold::VERSION);
        let is_on_its_way = progress.fold == fold::VERSION;
        let Some(known) = known else {
            // Nobody has walked it yet, or an older fold, which has dropped something.
            drop(conn);
            let over = self.start_over(walk, &progress).await?;
            return Ok(over.ok_or(Outcome::LeaseLost));
        };
        if is_on_its_way {
            return Ok(Ok(progress));
        }
        let met = walk.span.is_met_by(&known, self.ingest.clock.now());
        Ok(match met {
            Some(reason) => Err(done(reason)),
            None => Ok(progress.further(&known)),
        })
    }

    async fn walk(
        &self,
        walk: &mut Walk<'_>,
        mut progress: Progress,
    ) -> Result<Outcome, db::Error> {
        let first = if walk.is_resumed {
            self.page_size.saturating_mul(2).min(MOST)
        } else {
            self.page_size
        };
        let mut fetched = walk.fetch(&progress, first).await;
        let (mut is_over, mut patience) = (false, Patience::new());
        loop {
            if let Some(interruption) = walk.lease.interruption() {
                return Ok(interruption);
            }
            let raw = match fetched {
                Ok(Some(raw)) => raw,
                Ok(None) => {
                    return Ok(Outcome::Failed {
                        error: "nobody whom Tributary may speak for is in the room".to_owned(),
                    });
                }
                // A token that the homeserver has forgotten: from the newest event again.
                Err(ClientError::Matrix { status: 400, .. })
                    if progress.from.is_some() && !std::mem::replace(&mut is_over, true) =>
                {
                    let Some(over) = self.start_over(walk, &progress).await? else {
                        return Ok(Outcome::LeaseLost);
                    };
                    (progress, fetched) = (over.clone(), walk.fetch(&over, self.page_size).await);
                    continue;
                }
                Err(error) => return Ok(retry(&error)),
            };
            let page = self.decode(walk, &progress, raw);
            if page.messages > 0 {
                patience.renew();
            } else if page.end.is_some() && !patience.lasts(page.fetched) {
                return Ok(Outcome::Failed {
                    error: ENDLESS.to_owned(),
                });
            }
            let after = progress.after(&page);
            let ended = after.ended(&page);
            let (committed, next) = self.store(walk, page, &after).await?;
            (progress, fetched) = match (committed, ended) {
                (Committed::Stored(_), Some(reason)) => return Ok(done(reason)),
                (Committed::Stored(progress), None) => (progress, next),
                (Committed::LeaseLost, _) => return Ok(Outcome::LeaseLost),
                (Committed::Forgotten, _) => {
                    let Some(over) = self.start_over(walk, &progress).await? else {
                        return Ok(Outcome::LeaseLost);
                    };
                    let newest = walk.fetch(&over, self.page_size).await;
                    (over, newest)
                }
            };
        }
    }

    /// Stores a page, and fetches the one behind it, if there is one.
    async fn store(
        &self,
        walk: &mut Walk<'_>,
        page: Page,
        after: &Progress,
    ) -> Result<(Committed, Fetched), db::Error> {
        let is_last = page.ended().is_some();
        let is_alone = std::mem::take(&mut walk.is_resumed);
        let told = walk.is_to_tell();
        let commit = self.commit(walk.room_id, walk.span, walk.lease, page, after, told);
        if is_last {
            return Ok((commit.await?, Ok(None)));
        }
        let next = walk.eyes.page(after.from.as_deref(), self.page_size);
        if is_alone {
            return Ok((commit.await?, next.await));
        }
        let (committed, next) = tokio::join!(commit, next);
        Ok((committed?, next))
    }

    /// Begins at the newest event again; none when the job is no longer ours. That it
    /// does is committed with the walk: whoever takes over must not go on from where
    /// the forgotten one was.
    async fn start_over(
        &self,
        walk: &Walk<'_>,
        progress: &Progress,
    ) -> Result<Option<Progress>, db::Error> {
        let over = progress.over();
        let row = serde_json::to_value(&over).unwrap_or_default();
        let mut conn = self.ingest.db.get().await?;
        let begun = conn
            .transaction(async |conn| {
                if !walk.lease.progress(conn, &row).await? {
                    return Err(diesel::result::Error::RollbackTransaction);
                }
                walks::begin(conn, walk.room_id, fold::VERSION).await
            })
            .await;
        match begun {
            Ok(()) => Ok(Some(over)),
            Err(diesel::result::Error::RollbackTransaction) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn decode(&self, walk: &Walk<'_>, progress: &Progress, mut raw: MessagesPage) -> Page {
        // Where a page leads back to itself, some homeservers say that there is no other.
        raw.end = raw.end.filter(|end| progress.from.as_ref() != Some(end));
        let now = self.ingest.clock.now();
        let wanted = u64::from(walk.span.max_messages).saturating_sub(progress.messages);
        Page::decode(walk.room_id, raw, wanted, walk.span.cut(now), now)
    }

    /// Commits a page with its token.
    async fn commit(
        &self,
        room_id: &str,
        span: Span,
        lease: &Lease,
        page: Page,
        after: &Progress,
        told: bool,
    ) -> Result<Committed, db::Error> {
        let (ended, fetched) = (after.ended(&page), page.fetched);
        let cut = span.cut(self.ingest.clock.now());
        let mut forgotten = false;
        let mut conn = self.ingest.db.get().await?;
        let prepared = conn.prepare().await?;
        let committed = conn
            .transaction(async |conn| {
                let frames = |room: Option<&rooms::Room>| match room {
                    Some(room) if told => ingest::backfill_frames(room),
                    _ => Vec::new(),
                };
                let bridges = &self.ingest.bridges;
                let stored =
                    ingest::store_page(conn, prepared, bridges, room_id, page.batch, frames)
                        .await?;
                let new = u64::try_from(stored.new_messages).unwrap_or(u64::MAX);
                let progress = Progress {
                    stored: after.stored + new,
                    ..after.clone()
                };
                let row = serde_json::to_value(&progress).unwrap_or_default();
                if !lease.progress(conn, &row).await? {
                    return Err(diesel::result::Error::RollbackTransaction);
                }
                if !walks::note(conn, room_id, &progress.walk(ended, cut)).await? {
                    forgotten = true;
                    return Err(diesel::result::Error::RollbackTransaction);
                }
                if ended.is_some() {
                    rooms::mark_filled(conn, room_id, fold::VERSION).await?;
                }
                Ok((progress, stored))
            })
            .await;
        match committed {
            Ok((progress, stored)) => {
                stored.count();
                meters().backfill_pages.increment(1);
                meters().backfill_events.increment(fetched);
                let new = stored.new_messages as u64;
                meters().backfill_messages.increment(new);
                self.ingest.feed.advance(&stored.heads);
                Ok(Committed::Stored(progress))
            }
            Err(diesel::result::Error::RollbackTransaction) if forgotten => {
                Ok(Committed::Forgotten)
            }
            Err(diesel::result::Error::RollbackTransaction) => Ok(Committed::LeaseLost),
            Err(error) => Err(error.into()),
        }
    }
}

impl Walk<'_> {
    async fn fetch(&mut self, progress: &Progress, limit: u32) -> Fetched {
        self.eyes.page(progress.from.as_deref(), limit).await
    }

    fn is_to_tell(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.told.is_none_or(|told| now - told >= TOLD);
        if is_due {
            self.told = Some(now);
        }
        is_due
    }
}

fn done(reason: &str) -> Outcome {
    Outcome::Done {
        reason: reason.to_owned(),
    }
}

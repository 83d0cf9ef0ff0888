//! Compares a room's newest history with what is stored: events that were never
//! pushed come in.
//!
//! The homeserver loses pushes. What it had not yet cut into a transaction is gone
//! when it restarts, and a transaction that it cuts at the very moment at which it
//! ends its retries waits for its next failure. What comes after such a gap is
//! pushed as ever, so a page without anything new says nothing of the others: all
//! are read, forwards from where the newest one began when the room was last
//! compared. It is read again, because events that were sent at the same time may
//! get another order than they arrived in.
//!
//! A room that was not compared yet, or whose token the homeserver has forgotten, is
//! walked backwards, to where it was last compared or first mapped, and compared
//! forwards from there: how much of what is older comes in is for backfill's limits.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::{Map, Value};

use super::{
    Handler, Lease, Outcome,
    endless::{ENDLESS, Patience},
    eyes::Eyes,
    retry,
};
use crate::{
    db::{
        self, connection_rooms,
        jobs::Job,
        reconcile::{self, Position},
    },
    ingest::{self, Batch, Ingest},
    matrix::client::{ClientError, Homeserver, MessagesPage},
    meters::meters,
};

/// Events asked for at once: most rooms have nothing new.
const PAGE_SIZE: u32 = 50;
/// A backward walk goes that much beyond where the room was last compared.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

const SINCE_LINK: &str = "sinceLink";
/// Why a walk begins again.
const FORGOTTEN: &str = "the homeserver has forgotten where the comparison was";

/// The job `reconcile`; its key is the room id.
pub struct Reconcile {
    /// What stores.
    pub ingest: Ingest,
    /// What is asked.
    pub homeserver: Homeserver,
}

/// The payload of a comparison that begins at the link: of a room that was found later,
/// whose history from before nobody wants by itself.
pub(super) fn since_link() -> Map<String, Value> {
    Map::from_iter([(SINCE_LINK.to_owned(), Value::Bool(true))])
}

fn since_of(job: &Job) -> Option<DateTime<Utc>> {
    job.payload[reconcile::SINCE].as_str()?.parse().ok()
}

/// A comparison on its way.
struct Walk<'a> {
    room_id: &'a str,
    /// What was received before is not for it.
    bound: DateTime<Utc>,
    begun: DateTime<Utc>,
    /// When the page in hand came: the ages of its events are counted from there, and
    /// the homeserver may have taken seconds. Earlier, they would be from before a leave.
    arrived: DateTime<Utc>,
    lease: &'a Lease,
    eyes: Eyes<'a>,
    /// With pages that lead nowhere.
    patience: Patience,
}

impl Handler for Reconcile {
    const KIND: &'static str = "reconcile";

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let since_link = job.payload[SINCE_LINK] == true;
        let position = match since_of(job) {
            Some(since) if !since_link => self.position_since(&job.key, since).await,
            _ => self.position(&job.key, since_link).await,
        };
        let compared = match position {
            Ok(Some(position)) => self.compare(&job.key, position, lease).await,
            Ok(None) => {
                return Outcome::Done {
                    reason: "nobody sees it".to_owned(),
                };
            }
            Err(error) => Err(error),
        };
        compared.unwrap_or_else(|error| Outcome::Retry {
            error: error.to_string(),
            after: None,
        })
    }
}

impl Reconcile {
    async fn position(
        &self,
        room_id: &str,
        since_link: bool,
    ) -> Result<Option<Position>, db::Error> {
        let conn = self.ingest.db.get().await?;
        if since_link {
            let linked_at = connection_rooms::seen_by_links_since(&conn, room_id).await?;
            let position = linked_at.map(|linked_at| Position {
                seen_since: linked_at,
                compared_at: None,
                token: None,
            });
            return Ok(position);
        }
        Ok(reconcile::position(&conn, room_id).await?)
    }

    /// What came since a time is no history, also in a room whose history nobody wants.
    async fn position_since(
        &self,
        room_id: &str,
        since: DateTime<Utc>,
    ) -> Result<Option<Position>, db::Error> {
        let conn = self.ingest.db.get().await?;
        let position = reconcile::position(&conn, room_id).await?;
        Ok(position.map(|position| Position {
            seen_since: position.seen_since.max(since - OVERLAP),
            compared_at: None,
            token: None,
        }))
    }

    async fn compare(
        &self,
        room_id: &str,
        position: Position,
        lease: &Lease,
    ) -> Result<Outcome, db::Error> {
        let compared_at = position.compared_at;
        let begun = self.ingest.clock.now();
        let mut walk = Walk {
            room_id,
            bound: position.seen_since,
            begun,
            arrived: begun,
            lease,
            eyes: Eyes::new(&self.homeserver, &self.ingest.bridges, room_id),
            patience: Patience::new(),
        };
        // What was received while nobody saw the room is for backfill as well.
        let is_gapless = compared_at.is_some_and(|at| at >= position.seen_since);
        if let Some(token) = position.token.filter(|_| is_gapless)
            && let Some(outcome) = self.forwards(&mut walk, token).await?
        {
            return Ok(outcome);
        }
        walk.bound = compared_at
            .map(|at| at - OVERLAP)
            .into_iter()
            .chain([position.seen_since])
            .max()
            .unwrap_or(position.seen_since);
        self.backwards(&mut walk).await
    }

    /// From a token to now; none when the homeserver has forgotten it.
    async fn forwards(
        &self,
        walk: &mut Walk<'_>,
        mut token: String,
    ) -> Result<Option<Outcome>, db::Error> {
        loop {
            if let Some(interruption) = walk.lease.interruption() {
                return Ok(Some(interruption));
            }
            let page = match walk.eyes.page_after(&token, PAGE_SIZE).await {
                Ok(Some(page)) => page,
                Ok(None) => return self.nothing(walk).await.map(Some),
                Err(ClientError::Matrix { status: 400, .. }) => return Ok(None),
                Err(error) => return self.refused(walk, &error).await.map(Some),
            };
            walk.arrived = self.ingest.clock.now();
            // An empty page is not the last as long as there is one behind it: nobody may
            // see what is on it. Nor is it the newest: the one before it is.
            let is_last = page.end.as_ref().is_none_or(|end| *end == token);
            let newest = Some(token.as_str()).filter(|_| !page.chunk.is_empty());
            let Some(found) = self.store(walk, &page, newest, is_last).await? else {
                return Ok(Some(Outcome::LeaseLost));
            };
            let goes_on = walk.goes_on_after(&page, found);
            match page.end {
                Some(end) if !is_last => token = end,
                _ => return Ok(Some(compared())),
            }
            if !goes_on {
                return self.given_up(walk).await.map(Some);
            }
        }
    }

    /// Back to the bound, and forwards from there. Nothing is stored on the way back: who left
    /// before what is on the newest page was said may be on an older one, and would be shown it.
    async fn backwards(&self, walk: &mut Walk<'_>) -> Result<Outcome, db::Error> {
        let mut from: Option<String> = None;
        loop {
            if let Some(interruption) = walk.lease.interruption() {
                return Ok(interruption);
            }
            let page = match walk.eyes.page(from.as_deref(), PAGE_SIZE).await {
                Ok(Some(page)) => page,
                Ok(None) => return self.nothing(walk).await,
                Err(error) => return self.refused(walk, &error).await,
            };
            walk.arrived = self.ingest.clock.now();
            let is_oldest = page.end.is_none() || page.end == from || walk.reaches_bound(&page);
            if is_oldest {
                return self.forwards_from_oldest(walk, &page, from).await;
            }
            if !walk.goes_on_after(&page, 0) {
                return self.given_up(walk).await;
            }
            from = page.end;
        }
    }

    /// Stores the page at the bound, and what came behind it: from `began` on, where that page
    /// began, unless it is the newest.
    async fn forwards_from_oldest(
        &self,
        walk: &mut Walk<'_>,
        oldest: &MessagesPage,
        began: Option<String>,
    ) -> Result<Outcome, db::Error> {
        let is_newest = began.is_none();
        // Not before everything behind it is compared.
        let newest = oldest.end.as_deref().filter(|_| is_newest);
        if self.store(walk, oldest, newest, is_newest).await?.is_none() {
            return Ok(Outcome::LeaseLost);
        }
        let Some(token) = began else {
            return Ok(compared());
        };
        walk.patience = Patience::new();
        let compared = self.forwards(walk, token).await?;
        Ok(compared.unwrap_or_else(|| Outcome::Retry {
            error: FORGOTTEN.to_owned(),
            after: None,
        }))
    }

    /// Nobody of ours is in the room any more: there is nothing to compare with.
    async fn nothing(&self, walk: &Walk<'_>) -> Result<Outcome, db::Error> {
        let conn = self.ingest.db.get().await?;
        reconcile::mark(&conn, walk.room_id, walk.begun).await?;
        Ok(compared())
    }

    /// Nor is one whose pages do not end.
    async fn given_up(&self, walk: &Walk<'_>) -> Result<Outcome, db::Error> {
        let conn = self.ingest.db.get().await?;
        reconcile::mark(&conn, walk.room_id, walk.begun).await?;
        Ok(Outcome::Failed {
            error: ENDLESS.to_owned(),
        })
    }

    /// A room that is refused for good is not asked for again at once.
    async fn refused(&self, walk: &Walk<'_>, error: &ClientError) -> Result<Outcome, db::Error> {
        let outcome = retry(error);
        if matches!(outcome, Outcome::Failed { .. }) {
            let conn = self.ingest.db.get().await?;
            reconcile::mark(&conn, walk.room_id, walk.begun).await?;
        }
        Ok(outcome)
    }

    /// Stores a page through the same fold as a push; `newest` is where the newest
    /// page begins, if that is known now. How many events were new, or none when the job
    /// is no longer ours.
    async fn store(
        &self,
        walk: &Walk<'_>,
        page: &MessagesPage,
        newest: Option<&str>,
        is_last: bool,
    ) -> Result<Option<usize>, db::Error> {
        let mut batch = walk.decode(page);
        for event in &page.state {
            batch.decode(event, Some(walk.room_id), walk.arrived);
        }
        batch
            .events
            .retain(|event| event.state_key.is_some() || event.received_at >= walk.bound);
        let room_id = walk.room_id;
        let mut conn = self.ingest.db.get().await?;
        let prepared = conn.prepare().await?;
        let stored = conn
            .transaction(async |conn| {
                let bridges = &self.ingest.bridges;
                let stored =
                    ingest::store_page(conn, prepared, bridges, room_id, batch, |_| Vec::new())
                        .await?;
                if let Some(token) = newest {
                    reconcile::note(conn, room_id, token).await?;
                }
                // Not before the last page: what stops half-way begins again.
                if is_last {
                    reconcile::mark(conn, room_id, walk.begun).await?;
                }
                let row = Value::Object(Map::new());
                if !walk.lease.progress(conn, &row).await? {
                    return Err(diesel::result::Error::RollbackTransaction);
                }
                Ok(stored)
            })
            .await;
        let stored = match stored {
            Ok(stored) => stored,
            Err(diesel::result::Error::RollbackTransaction) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let new_events = stored.new_events;
        if new_events > 0 {
            tracing::info!(room_id, count = new_events, "events that were never pushed");
            meters().reconciled_events.increment(new_events as u64);
        }
        stored.count();
        self.ingest.feed.advance(&stored.heads);
        Ok(Some(new_events))
    }
}

impl Walk<'_> {
    /// After a page with so many new events. One on which all is known leads somewhere as
    /// long as it is of another time than those before it.
    fn goes_on_after(&mut self, page: &MessagesPage, found: usize) -> bool {
        let events = self.decode(page).events;
        let goes_on = self
            .patience
            .goes_on(events.iter().map(|event| event.origin_server_ts));
        if found > 0 || goes_on {
            self.patience.renew();
            return true;
        }
        self.patience.lasts(page.chunk.len() as u64)
    }

    fn reaches_bound(&self, page: &MessagesPage) -> bool {
        let events = self.decode(page).events;
        events.iter().any(|event| event.received_at < self.bound)
    }

    fn decode(&self, page: &MessagesPage) -> Batch {
        let mut batch = Batch::default();
        for event in &page.chunk {
            batch.decode(event, Some(self.room_id), self.arrived);
        }
        batch
    }
}

fn compared() -> Outcome {
    Outcome::Done {
        reason: "compared".to_owned(),
    }
}

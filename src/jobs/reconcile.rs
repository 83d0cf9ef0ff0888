//! Compares a room's newest history with what is stored: events that were never
//! pushed come in.
//!
//! The homeserver loses pushes. What it had not yet cut into a transaction is gone
//! when it restarts, and a transaction that it cuts at the very moment at which it
//! ends its retries waits for its next failure. What comes after such a gap is
//! pushed as ever, so a page without anything new says nothing of those behind it:
//! a room that had events is walked backwards, page by page, to where it was last
//! compared; not further back than its mapping, since how much of that comes in is
//! for backfill's limits.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection as _;

use super::{Handler, Lease, Outcome, eyes, retry};
use crate::{
    db::{self, jobs::Job, reconcile},
    ingest::{self, Batch, Ingest},
    matrix::client::{Homeserver, MessagesPage},
};

/// Events asked for at once: most rooms have nothing new.
const PAGE_SIZE: u32 = 50;

/// The job `reconcile`; its key is the room id.
pub struct Reconcile {
    /// What stores.
    pub ingest: Ingest,
    /// What is asked.
    pub homeserver: Homeserver,
}

impl Handler for Reconcile {
    const KIND: &'static str = "reconcile";

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let begun = self.ingest.clock.now();
        let bound = match self.bound(&job.key).await {
            Ok(Some(bound)) => bound,
            Ok(None) => {
                return Outcome::Done {
                    reason: "nobody sees it".to_owned(),
                };
            }
            Err(error) => {
                return Outcome::Retry {
                    error: error.to_string(),
                    after: None,
                };
            }
        };
        let mut from = None;
        loop {
            if let Some(interruption) = lease.interruption() {
                return interruption;
            }
            let (homeserver, bridges) = (&self.homeserver, &self.ingest.bridges);
            let page = eyes::page(homeserver, bridges, &job.key, from.as_deref(), PAGE_SIZE);
            let next = match page.await {
                Ok(Some(page)) => self.store(&job.key, &page, bound, begun).await,
                // Nobody of ours is in the room any more: there is nothing to compare with.
                Ok(None) => Ok(None),
                Err(error) => return retry(&error),
            };
            match next {
                Ok(None) => {
                    return Outcome::Done {
                        reason: "compared".to_owned(),
                    };
                }
                Ok(next) => from = next,
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

impl Reconcile {
    async fn bound(&self, room_id: &str) -> Result<Option<DateTime<Utc>>, db::Error> {
        let conn = self.ingest.db.get().await?;
        Ok(reconcile::bound(&conn, room_id).await?)
    }

    /// Stores a page through the same fold as a push; where the next one begins, if
    /// that has to be compared too.
    async fn store(
        &self,
        room_id: &str,
        page: &MessagesPage,
        bound: DateTime<Utc>,
        begun: DateTime<Utc>,
    ) -> Result<Option<String>, db::Error> {
        let mut batch = Batch::default();
        for event in &page.chunk {
            batch.decode(event, Some(room_id), begun);
        }
        let reached = batch.events.iter().any(|event| event.received_at < bound);
        let next = page.end.clone().filter(|_| !reached);
        for event in &page.state {
            batch.decode(event, Some(room_id), begun);
        }
        batch
            .events
            .retain(|event| event.state_key.is_some() || event.received_at >= bound);
        let mut conn = self.ingest.db.get().await?;
        let stored = conn
            .transaction(async |conn| {
                let bridges = &self.ingest.bridges;
                let stored =
                    ingest::store_page(conn, bridges, room_id, batch, |_| Vec::new()).await?;
                // Not before the last page: what stops half-way begins again.
                if next.is_none() {
                    reconcile::mark(conn, room_id, begun).await?;
                }
                Ok::<_, diesel::result::Error>(stored)
            })
            .await?;
        if stored.new_messages > 0 {
            tracing::info!(
                room_id,
                count = stored.new_messages,
                "messages that were never pushed"
            );
            metrics::counter!("tributary_reconciled_events_total")
                .increment(stored.new_messages as u64);
        }
        self.ingest.feed.advance(&stored.heads);
        Ok(next)
    }
}

//! A pushed transaction: 200 means committed.

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use futures_util::future::try_join;
use serde_json::value::RawValue;

use super::{Batch, Ingest, Stored, ephemeral::Passing, letters, store};
use crate::{
    db::{
        self,
        ledger::{self, Recorded},
        plans, rooms,
    },
    matrix::{
        decode,
        transaction::{BadTransaction, Transaction},
    },
};

/// Synapse waits 60 s for the answer: what takes longer than this is given up,
/// and the retry finds a clean slate.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often a transaction is begun that deadlocks with another one: rooms are locked
/// in order, but two of them may bring the same new files and avatars.
const TRIES: usize = 4;

/// Why a transaction was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The body is no transaction: the homeserver's mistake.
    #[error(transparent)]
    Bad(#[from] BadTransaction),
    /// The database cannot take it now: nothing is kept.
    #[error(transparent)]
    Unavailable(#[from] db::Error),
    /// The database took too long: nothing is kept.
    #[error("the database did not answer in time")]
    TimedOut,
}

/// What was in a transaction, decoded.
struct Decoded {
    batch: Batch,
    unreadable: usize,
    event_ids: Vec<Option<String>>,
}

impl Ingest {
    /// Takes a transaction in: when this returns, everything in it is committed.
    /// The same one again has no second effect.
    ///
    /// # Errors
    ///
    /// [`Refused`], and then nothing of it has been kept.
    pub async fn transaction(&self, transaction_id: &str, body: &[u8]) -> Result<(), Refused> {
        let transaction = Transaction::parse(body)?;
        let decoded = self.decode(&transaction.events);
        let digest = transaction.digest(decoded.event_ids.iter().map(Option::as_ref));
        let passing = Passing::decode(&transaction.ephemeral);
        let events = transaction.events.len();
        metrics::counter!("tributary_events_received_total").increment(events as u64);
        if decoded.unreadable > 0 {
            tracing::warn!(
                transaction_id,
                count = decoded.unreadable,
                "unreadable events in a push"
            );
            metrics::counter!("tributary_unreadable_events_total")
                .increment(decoded.unreadable as u64);
        }
        if events == 0 && passing.is_empty() {
            return Ok(());
        }
        let commit = async {
            let mut batch = decoded.batch;
            let mut tries = 1;
            loop {
                let commit = self.commit(transaction_id, &digest, events, batch, &passing);
                match commit.await {
                    Err(error) if error.is_deadlock() && tries < TRIES => {
                        tries += 1;
                        batch = self.decode(&transaction.events).batch;
                    }
                    done => return done,
                }
            }
        };
        let stored = tokio::time::timeout(PATIENCE, commit)
            .await
            .map_err(|_| Refused::TimedOut)??;
        if let Some(stored) = stored {
            self.after_commit(transaction_id, &stored);
            self.pass_on(&passing).await;
        }
        Ok(())
    }

    async fn commit(
        &self,
        transaction_id: &str,
        digest: &[u8],
        events: usize,
        batch: Batch,
        passing: &Passing,
    ) -> Result<Option<Stored>, db::Error> {
        let mut room_ids = batch.rooms();
        room_ids.extend(passing.rooms());
        let room_ids: Vec<_> = room_ids.into_iter().collect();
        let mut conn = self.db.get().await?;
        let stored = conn
            .transaction(async |conn| {
                // The ledger before the locks, whatever this connection has prepared:
                // a repetition waits there, holding nothing that the first one wants.
                let ((), recorded) = try_join(
                    plans::steady(conn),
                    ledger::record(conn, transaction_id, digest, events),
                )
                .await?;
                match recorded {
                    Recorded::Again => return Ok(None),
                    Recorded::IdReused => {
                        tracing::warn!(
                            transaction_id,
                            "a transaction id came again with other events"
                        );
                    }
                    Recorded::New => {}
                }
                let known = rooms::lock_and_load(conn, &room_ids).await?;
                let extra = passing.store(conn, &self.bridges, &known).await?;
                store(conn, &self.bridges, batch, known, extra)
                    .await
                    .map(Some)
            })
            .await?;
        Ok(stored)
    }

    fn after_commit(&self, transaction_id: &str, stored: &Stored) {
        if stored.dead_letters > 0 {
            tracing::warn!(
                transaction_id,
                count = stored.dead_letters,
                "events became dead letters"
            );
            metrics::counter!("tributary_dead_letters_total").increment(stored.dead_letters as u64);
        }
        self.announce(stored);
    }

    /// Tells this replica's sockets, the others, and the jobs. None of it can fail
    /// what is committed: whoever misses the hint finds the rows by polling.
    pub(super) fn announce(&self, stored: &Stored) {
        metrics::counter!("tributary_messages_stored_total").increment(stored.new_messages as u64);
        if stored.jobs_queued {
            self.jobs.notify_one();
        }
        self.feed.advance(&stored.heads);
    }

    fn decode(&self, events: &[&RawValue]) -> Decoded {
        let now = self.clock.now();
        let mut decoded = Decoded {
            batch: Batch::default(),
            unreadable: 0,
            event_ids: Vec::new(),
        };
        for raw in events {
            decoded.event_ids.push(decoded.batch.decode(raw, None, now));
            if decoded.event_ids.last().is_some_and(Option::is_none) {
                decoded.unreadable += 1;
            }
        }
        decode::order_receipts(&mut decoded.batch.events);
        decoded
    }
}

impl Batch {
    /// Decodes one event into the batch; returns its id, if that could be read.
    pub fn decode(
        &mut self,
        raw: &RawValue,
        room_id: Option<&str>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Option<String> {
        match decode::decode(raw, room_id, now) {
            Ok(event) => {
                let event_id = event.event_id.clone();
                self.raw.insert(event_id.clone(), raw.get().to_owned());
                self.events.push(event);
                Some(event_id)
            }
            Err(undecodable) => {
                let event_id = undecodable.event_id?;
                if let Some(room_id) = undecodable.room_id {
                    let raw = raw.get().to_owned();
                    let received_at = decode::receipt(&raw, now);
                    let reason = undecodable.reason;
                    let letter = letters::of(room_id, event_id.clone(), raw, reason, received_at);
                    self.undecodable.push(letter);
                }
                Some(event_id)
            }
        }
    }
}

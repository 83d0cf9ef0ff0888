//! A pushed transaction: 200 means committed.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use diesel::QueryResult;
use futures_util::future::{join, try_join4};
use serde_json::value::RawValue;

use super::{
    Batch, Ingest, Stored,
    ephemeral::Passing,
    letters,
    shown::{self, ByViewer},
    store,
};
use crate::{
    db::{
        self,
        ledger::{self, Recorded},
        read::messages,
        rooms::{self, Room},
    },
    matrix::{
        decode,
        transaction::{BadTransaction, Transaction},
    },
    meters::{Timer, meters},
    model::frame::Frame,
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
        let timer = Timer::new(&meters().transaction_seconds);
        let taken = self.take_in(transaction_id, body).await;
        drop(timer);
        let outcome = match &taken {
            Ok(outcome) => outcome,
            Err(Refused::Bad(_)) => "malformed",
            Err(Refused::TimedOut) => "timeout",
            Err(Refused::Unavailable(_)) => "unavailable",
        };
        meters().transactions.of(outcome).increment(1);
        taken.map(drop)
    }

    /// Takes it in, and says in a word what that came to.
    async fn take_in(&self, transaction_id: &str, body: &[u8]) -> Result<&'static str, Refused> {
        let transaction = Transaction::parse(body)?;
        let decoded = self.decode(&transaction.events);
        let digest = transaction.digest(decoded.event_ids.iter().map(Option::as_ref));
        let passing = Passing::decode(&transaction.ephemeral);
        let events = transaction.events.len();
        if decoded.unreadable > 0 {
            tracing::warn!(
                transaction_id,
                count = decoded.unreadable,
                "unreadable events in a push"
            );
            meters()
                .unreadable_events
                .increment(decoded.unreadable as u64);
        }
        if events == 0 && passing.is_empty() {
            return Ok("empty");
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
        let Some(stored) = stored else {
            return Ok("repeated");
        };
        self.after_commit(transaction_id, &stored);
        self.pass_on(&passing).await;
        Ok("stored")
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
        let prepared = conn.prepare().await?;
        // The locks before all else, and those before them, need not be prepared, so nothing
        // overtakes them. A repetition has the same rooms: it waits there, or at the ledger,
        // for a first one that wants nothing of what it holds.
        let first = try_join4(
            conn.begin(),
            rooms::lock(&conn, &room_ids),
            ledger::record(&conn, transaction_id, digest, events),
            rooms::load(&conn, &room_ids),
        );
        let stored = match first.await {
            Ok(((), (), Recorded::Again, _)) => Ok(None),
            Ok(((), (), recorded, known)) => {
                if recorded == Recorded::IdReused {
                    tracing::warn!(
                        transaction_id,
                        "a transaction id came again with other events"
                    );
                }
                self.store(&mut conn, prepared, batch, passing, known)
                    .await
                    .map(Some)
            }
            Err(error) => Err(error),
        };
        match stored {
            Ok(Some(stored)) => {
                conn.has_ended();
                Ok(Some(stored))
            }
            refused => {
                // A connection that cannot even do this does not go back.
                let rolled_back = conn.roll_back().await;
                let nothing = refused?;
                rolled_back?;
                Ok(nothing)
            }
        }
    }

    /// Stores it, and commits along with the last statements.
    async fn store(
        &self,
        conn: &mut db::Connection,
        prepared: db::Prepared,
        batch: Batch,
        passing: &Passing,
        known: HashMap<String, Room>,
    ) -> db::Result<Stored> {
        let extra = passing.store(conn, &self.bridges, &known).await?;
        let bytes = batch.raw.values().map(String::len).sum();
        store(
            conn,
            prepared,
            &self.bridges,
            batch,
            known,
            extra,
            async |conn, frames| self.commit_shown(conn, frames, bytes).await,
        )
        .await
    }

    /// Reads what these frames show to whoever listens here, and commits. The push had so many
    /// `bytes`.
    async fn commit_shown(
        &self,
        conn: &db::Connection,
        frames: &[Frame],
        bytes: usize,
    ) -> QueryResult<ByViewer> {
        let wanted = shown::wanted(frames, bytes, |user_id| self.feed.listens(user_id));
        let read_at = Instant::now();
        let read = messages::shown_to(conn, &wanted);
        let (shown, committed) = join(read, db::commit(conn)).await;
        let shown = match shown {
            // The transaction has not failed with it: the sockets will read what they can.
            Err(diesel::result::Error::DeserializationError(error)) => {
                tracing::error!(%error, "what a push shows could not be read");
                HashMap::new()
            }
            shown => shown?,
        };
        committed?;
        Ok(ByViewer::read(shown, read_at))
    }

    fn after_commit(&self, transaction_id: &str, stored: &Stored) {
        if stored.dead_letters > 0 {
            tracing::warn!(
                transaction_id,
                count = stored.dead_letters,
                "events became dead letters"
            );
        }
        stored.measure(self.clock.now());
        self.announce(stored);
    }

    /// Tells this replica's sockets, the others, and the jobs. None of it can fail
    /// what is committed: whoever misses the hint finds the rows by polling.
    pub(super) fn announce(&self, stored: &Stored) {
        stored.count();
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

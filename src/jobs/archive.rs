//! Copies files from the homeserver to the store.
//!
//! One job for all of them, so that `media.concurrent` is how many are copied at once,
//! whoever runs it. What it has to do are the rows that are pending ([`archive::due`]); it
//! runs while there are any, and [`super::media_watch`] queues it when there are new ones.

mod commit;
mod fetch;
mod trouble;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use self::trouble::Trouble;
use super::{Handler, Lease, Outcome, clear_media::STALE};
use crate::{
    config,
    db::{
        self, Connection,
        jobs::Job,
        media::{
            archive::{self, Due, Settled},
            objects,
        },
    },
    ingest::Ingest,
    matrix::client::{Homeserver, Retry},
    media::Store,
};

/// The job `archive`; its key is empty.
pub struct Archive {
    /// What it works with.
    pub ingest: Ingest,
    /// Where the files are.
    pub homeserver: Homeserver,
    /// Where they go.
    pub store: Store,
    /// What is kept.
    pub config: config::Media,
    /// Its times.
    pub rhythm: Rhythm,
}

/// The times of the archive.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// How long it looks for more when there is nothing to do, so that not every file of a
    /// lively hour is a job with its audit rows.
    pub linger: Duration,
    /// Between two looks.
    pub look: Duration,
    /// The pause after the first failure of a file; each one is four times the one before.
    pub first_pause: Duration,
    /// After how many failures a file is given up: they span about half a day.
    pub max_attempts: u32,
    /// How long one file may take, from the first byte to the last.
    pub patience: Duration,
    /// How long what somebody has begun who lost the job may still have an effect on the
    /// store: after that it is cleared.
    pub after_a_kill: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(10),
            look: Duration::from_secs(1),
            first_pause: Duration::from_secs(5),
            max_attempts: 10,
            patience: Duration::from_mins(30),
            after_a_kill: Duration::from_mins(2),
        }
    }
}

/// The longest pause between two tries at a file.
const MAX_PAUSE: Duration = Duration::from_hours(2);

/// What became of a try at a file.
enum Tried {
    /// It is settled, or put off.
    Through,
    /// Nothing works now, whichever file: it is left as it was.
    Pause {
        error: String,
        after: Option<Duration>,
    },
    /// The job is somebody else's.
    LeaseLost,
}

/// A run of the job.
struct Run<'a> {
    lease: &'a Lease,
    tally: Tally,
}

impl Run<'_> {
    /// Notes in a transaction how far the job is with it; rolls it back if the job is
    /// somebody else's.
    async fn progress(&self, conn: &Connection, settled: Option<&Settled>) -> db::Result<()> {
        let progress = self.tally.progress(settled);
        if self.lease.progress(conn, &progress).await? {
            Ok(())
        } else {
            Err(db::QueryError::RollbackTransaction)
        }
    }
}

/// How many files a job has settled.
#[derive(Debug, Default)]
struct Tally {
    stored: AtomicU64,
    not_stored: AtomicU64,
}

impl Tally {
    fn of(progress: &Value) -> Self {
        let count = |key| AtomicU64::new(progress[key].as_u64().unwrap_or_default());
        Self {
            stored: count("stored"),
            not_stored: count("notStored"),
        }
    }

    fn add(&self, settled: &Settled) {
        let counter = match settled {
            Settled::Stored { .. } => &self.stored,
            _ => &self.not_stored,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// With one that is about to be.
    fn progress(&self, settled: Option<&Settled>) -> Value {
        let is_stored = settled.map(|settled| matches!(settled, Settled::Stored { .. }));
        let stored = u64::from(is_stored == Some(true));
        let not_stored = u64::from(is_stored == Some(false));
        json!({
            "stored": self.stored.load(Ordering::Relaxed) + stored,
            "notStored": self.not_stored.load(Ordering::Relaxed) + not_stored,
        })
    }
}

impl Handler for Archive {
    const KIND: &'static str = "archive";

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let run = Run {
            lease,
            tally: Tally::of(&job.progress),
        };
        if let Err(error) = self.inherit().await {
            return retry(error.to_string(), None);
        }
        let mut copying = FuturesUnordered::new();
        let mut in_hand = BTreeSet::new();
        let mut pause = None;
        let mut idle = Duration::ZERO;
        loop {
            if let Some(interruption) = lease.interruption() {
                return interruption;
            }
            if pause.is_none() {
                let due = match self.due(&in_hand).await {
                    Ok(due) => due,
                    Err(error) => return retry(error.to_string(), None),
                };
                in_hand.extend(due.iter().map(|file| file.id));
                copying.extend(due.into_iter().map(|file| self.copy(file, &run)));
            }
            if copying.is_empty() {
                match pause {
                    Some((error, after)) => return retry(error, after),
                    None if idle >= self.rhythm.linger => return through(),
                    None => {}
                }
                idle += self.rhythm.look;
            } else {
                idle = Duration::ZERO;
            }
            tokio::select! {
                biased;
                interruption = lease.interrupted() => return interruption,
                Some((id, tried)) = copying.next() => {
                    in_hand.remove(&id);
                    match tried {
                        Tried::Through => {}
                        Tried::Pause { error, after } => pause = Some((error, after)),
                        Tried::LeaseLost => return Outcome::LeaseLost,
                    }
                }
                // Also while others are copied: what was just sent takes a free place.
                () = sleep(self.rhythm.look) => {}
            }
        }
    }
}

fn retry(error: String, after: Option<Duration>) -> Outcome {
    Outcome::Retry { error, after }
}

fn through() -> Outcome {
    Outcome::Done {
        reason: "archived".to_owned(),
    }
}

impl Archive {
    /// There is one such job at a time: whoever began an upload has been killed, or has lost
    /// the job. A part of a file that has been erased since must not be there for long.
    async fn inherit(&self) -> Result<(), db::Error> {
        let age = STALE.saturating_sub(self.rhythm.after_a_kill);
        let conn = self.ingest.db.get().await?;
        Ok(objects::age_uploads(&conn, age.as_secs_f64()).await?)
    }

    /// As many files as there are free places.
    async fn due(&self, in_hand: &BTreeSet<Uuid>) -> Result<Vec<Due>, db::Error> {
        let free = self.config.concurrent.saturating_sub(in_hand.len());
        if free == 0 {
            return Ok(Vec::new());
        }
        let in_hand: Vec<_> = in_hand.iter().copied().collect();
        let limit = i64::try_from(free).unwrap_or(i64::MAX);
        let conn = self.ingest.db.get().await?;
        Ok(archive::due(&conn, &in_hand, limit).await?)
    }

    /// One try at a file, and what is to be written down of it.
    async fn copy(&self, file: Due, run: &Run<'_>) -> (Uuid, Tried) {
        let id = file.id;
        let tried = match self.fetch(&file).await {
            Ok(fetched) => self.keep(&file, fetched, run).await,
            Err(trouble) => self.after(&file, trouble, run).await,
        };
        let tried = tried.unwrap_or_else(|error| Tried::Pause {
            error: error.to_string(),
            after: None,
        });
        (id, tried)
    }

    /// What a failure means for the file, or for all of them.
    async fn after(&self, file: &Due, trouble: Trouble, run: &Run<'_>) -> Result<Tried, db::Error> {
        let error = trouble.to_string();
        if let Some(settled) = trouble.verdict() {
            tracing::info!(media.id = %file.id, state = settled.state(), error, "not archived");
            return self.settle(file, &settled, &error, run).await;
        }
        match trouble {
            Trouble::Database(error) => return Err(error),
            Trouble::Taken => return self.put_off(file, false, &error, run).await,
            _ => {}
        }
        if let Some(retry) = trouble.asks_to_wait() {
            let after = match retry {
                Retry::After(pause) => Some(pause),
                Retry::Later | Retry::No => None,
            };
            return Ok(Tried::Pause { error, after });
        }
        if !self.is_there(&trouble).await {
            return Ok(Tried::Pause { error, after: None });
        }
        tracing::info!(media.id = %file.id, attempts = file.attempts + 1, error, "not archived yet");
        let attempts = u32::try_from(file.attempts).unwrap_or_default();
        if attempts + 1 >= self.rhythm.max_attempts {
            return self.settle(file, &Settled::Failed, &error, run).await;
        }
        self.put_off(file, true, &error, run).await
    }

    /// Whether the other side works, so that it is this file which does not.
    async fn is_there(&self, trouble: &Trouble) -> bool {
        match trouble {
            Trouble::Homeserver(_) => self.homeserver.versions().await.is_ok(),
            Trouble::Store(_) => self.store.check().await.is_ok(),
            _ => true,
        }
    }
}

/// The pause after so many failures of a file.
fn pause(rhythm: &Rhythm, attempts: i32) -> Duration {
    let doublings = 2 * u32::try_from(attempts).unwrap_or_default().min(15);
    rhythm
        .first_pause
        .saturating_mul(1 << doublings)
        .min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_two_hours() {
        let seconds = |attempts| pause(&Rhythm::default(), attempts).as_secs();
        assert_eq!(
            [0, 1, 2, 5, 6, i32::MAX].map(seconds),
            [5, 20, 80, 5120, 7200, 7200]
        );
    }

    #[test]
    fn a_tally_goes_on_where_it_was() {
        let tally = Tally::of(&json!({"stored": 3}));
        tally.add(&Settled::Missing);
        assert_eq!(tally.progress(None), json!({"stored": 3, "notStored": 1}));
        let next = tally.progress(Some(&Settled::Failed));
        assert_eq!(next, json!({"stored": 3, "notStored": 2}));
    }
}

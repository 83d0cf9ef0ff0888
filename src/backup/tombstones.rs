//! What must not come back with a backup: who was erased, and who was let go, written beside the
//! files, where it outlives the database.
//!
//! The audit says it first, in the transaction that does it; this follows within seconds. A
//! tombstone names a Clerk user by hash alone, as a receipt does, and a connection by its id. It is
//! told from what a dump has already by its own id, which is that of its audit row.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    app::App,
    db::{self, Database, backup},
    media::{Store, StoreError},
    model::media::ContentHash,
};

/// Between two looks at the audit.
const EVERY: Duration = Duration::from_secs(5);
/// How far back the first look goes, and how far each later one: what is committed late has
/// an earlier time.
const FIRST: TimeDelta = TimeDelta::days(30);
const LATER: TimeDelta = TimeDelta::minutes(10);

/// How much older than a backup a tombstone has to be that is surely in it: longer than any
/// transaction, and no longer than the shortest time for which the audit is kept.
const SETTLED: TimeDelta = TimeDelta::days(1);

/// Something that a restore does again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Its audit row's.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// Everything of a Clerk user was erased, of whom this is the SHA-256.
    Erased(String),
    /// What a connection saw was erased.
    Purged(Uuid),
    /// A connection was let go.
    Disconnected(Uuid),
}

impl Tombstone {
    fn of(row: &backup::Ending) -> Option<Self> {
        let connection = || row.target.parse().ok();
        let what = match row.action.as_str() {
            "account.erase" => What::Erased(hash(&row.target)),
            "connection.purge" => What::Purged(connection()?),
            "connection.disconnect" => What::Disconnected(connection()?),
            _ => return None,
        };
        let (id, at) = (row.id, row.at);
        Some(Self { id, at, what })
    }
}

fn hash(user_id: &str) -> String {
    ContentHash(Sha256::digest(user_id).into()).to_string()
}

/// Writes down what is not yet, until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut journal = Journal::new(app.db.clone(), app.media.clone());
    let mut fails = false;
    loop {
        let written = journal.write(app.clock.now()).await;
        // A store that is away is told of once.
        if let Err(error) = &written
            && !fails
        {
            tracing::warn!(%error, "who was erased could not be written beside the files");
        }
        fails = written.is_err();
        if stop
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Why the journal could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database could not be read.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Never.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The tombstones beside the files.
#[derive(Debug)]
pub struct Journal {
    db: Database,
    store: Store,
    /// Those that are known to be there.
    known: BTreeSet<Uuid>,
    /// The last look after which all of them were; none before the first.
    complete_at: Option<DateTime<Utc>>,
}

impl Journal {
    /// What is in a database, into a store.
    #[must_use]
    pub const fn new(db: Database, store: Store) -> Self {
        Self {
            db,
            store,
            known: BTreeSet::new(),
            complete_at: None,
        }
    }

    /// Writes what is missing.
    ///
    /// # Errors
    ///
    /// When it has to be tried again.
    pub async fn write(&mut self, now: DateTime<Utc>) -> Result<(), Failed> {
        // From the last success and not from now: the store may have been away for days, and the
        // clock may have been set.
        let since = if let Some(at) = self.complete_at {
            at.min(now) - LATER
        } else {
            self.known.extend(self.store.notes().await?);
            now - FIRST
        };
        for row in backup::endings(&self.db, since).await? {
            if self.known.contains(&row.id) {
                continue;
            }
            if let Some(tombstone) = Tombstone::of(&row) {
                let json = serde_json::to_vec(&tombstone)?;
                self.store.put_note(row.id, Bytes::from(json)).await?;
            }
            self.known.insert(row.id);
        }
        self.complete_at = Some(now);
        Ok(())
    }
}

/// Reads all tombstones of a store, the oldest first.
///
/// # Errors
///
/// When the store does not answer, or one of them is none.
pub async fn read(store: &Store) -> anyhow::Result<Vec<Tombstone>> {
    let mut all = Vec::new();
    for id in store.notes().await? {
        let json = store.note(id).await?;
        let tombstone = serde_json::from_slice(&json);
        all.push(tombstone.with_context(|| format!("the note {id} beside the files"))?);
    }
    all.sort_by_key(|tombstone: &Tombstone| (tombstone.at, tombstone.id));
    Ok(all)
}

/// Those of which a backup may not know. One that is older is in its dump, although the audit,
/// which is not kept for ever, may have forgotten it: whoever came back since stays.
#[must_use]
pub fn since(mut all: Vec<Tombstone>, taken_at: DateTime<Utc>) -> Vec<Tombstone> {
    all.retain(|tombstone| tombstone.at >= taken_at - SETTLED);
    all
}

/// Does again what a restored database does not know of; answers how many that were.
///
/// # Errors
///
/// When the database fails; it may be repeated.
pub async fn apply(app: &App, tombstones: Vec<Tombstone>) -> anyhow::Result<usize> {
    let ids: Vec<_> = tombstones.iter().map(|tombstone| tombstone.id).collect();
    let done = backup::known_endings(&app.db, &ids).await?;
    let mut applied = 0;
    for tombstone in tombstones {
        if done.contains(&tombstone.id) {
            continue;
        }
        applied += usize::from(apply_one(app, &tombstone.what).await?);
    }
    Ok(applied)
}

async fn apply_one(app: &App, what: &What) -> anyhow::Result<bool> {
    match what {
        What::Erased(digest) => {
            let users = backup::users(&app.db).await?;
            let Some(user_id) = users.into_iter().find(|user_id| hash(user_id) == *digest) else {
                return Ok(false);
            };
            app.accounts.delete(&user_id, None).await?;
        }
        What::Purged(id) | What::Disconnected(id) => {
            let Some(user_id) = backup::owner(&app.db, *id).await? else {
                return Ok(false);
            };
            let purge = matches!(what, What::Purged(_));
            app.accounts.disconnect(&user_id, *id, purge, None).await?;
        }
    }
    Ok(true)
}

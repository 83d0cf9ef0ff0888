//! Sees to it that there is a job when there are files to fetch or objects to delete.
//!
//! Rows say what there is to do, so a push that brings a file, or takes one, has nothing to
//! queue: a job that all of them share would have them wait for each other.

use std::time::Duration;

use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::{
    Handler as _,
    archive::Archive,
    clear_media::{self, ClearMedia},
};
use crate::{
    db::{
        self,
        jobs::{self, NewJob},
        media::{archive, objects},
    },
    ingest::Ingest,
};

/// Looks for what is to be done.
#[derive(Debug, Clone)]
pub struct MediaWatch {
    /// What it works with.
    pub ingest: Ingest,
    /// Whether files are fetched. What was stored is deleted in any case.
    pub is_on: bool,
    /// After how long an upload is taken for dead.
    pub stale: Duration,
    /// Between two looks.
    pub every: Duration,
}

impl MediaWatch {
    /// One that looks each second.
    #[must_use]
    pub fn new(ingest: Ingest, is_on: bool) -> Self {
        Self {
            ingest,
            is_on,
            stale: clear_media::STALE,
            every: Duration::from_secs(1),
        }
    }

    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "nobody looked after the media");
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(self.every))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Queues what is missing.
    ///
    /// # Errors
    ///
    /// When the database is not there or a statement fails.
    pub async fn look(&self) -> Result<(), db::Error> {
        let conn = self.ingest.db.get().await?;
        let mut wanted = Vec::new();
        if self.is_on && archive::any_due(&conn).await? {
            wanted.push(Archive::KIND);
        }
        if objects::any_to_clear(&conn, self.stale.as_secs_f64()).await? {
            wanted.push(ClearMedia::KIND);
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let job = |kind| NewJob {
            kind,
            key: String::new(),
            payload: Map::new(),
        };
        jobs::enqueue(&conn, &wanted.into_iter().map(job).collect::<Vec<_>>()).await?;
        self.ingest.jobs.notify_one();
        Ok(())
    }
}

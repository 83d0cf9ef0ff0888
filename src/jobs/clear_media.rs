//! Deletes from the store what nothing holds any more, and what uploads have left that
//! came to nothing.

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use uuid::Uuid;

use super::{Handler, Lease, Outcome};
use crate::{
    db::{
        self, Connection, Database,
        jobs::Job,
        media::objects::{self, StaleUpload},
    },
    media::{Store, StoreError},
    model::media::ContentHash,
};

/// How long an upload may take. Longer than the archive gives a file, and then than a
/// request of a program that has lost its job can still have an effect on the store.
pub const STALE: Duration = Duration::from_hours(1);
/// Objects of one transaction.
const AT_ONCE: i64 = 100;
/// Objects that are deleted at a time.
const CONCURRENT: usize = 8;

/// The job `clear_media`; its key is empty.
pub struct ClearMedia {
    /// Postgres.
    pub db: Database,
    /// What is to be cleared.
    pub store: Store,
    /// After how long an upload is taken for dead.
    pub stale: Duration,
}

/// What is done in one transaction.
enum Step<'a> {
    EndUpload(Uuid),
    /// Answers what is to be deleted.
    BeginLeaving,
    Left(&'a [ContentHash]),
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("the job is somebody else's")]
    LeaseLost,
}

impl From<db::QueryError> for Trouble {
    fn from(error: db::QueryError) -> Self {
        match error {
            db::QueryError::RollbackTransaction => Self::LeaseLost,
            error => Self::Database(error.into()),
        }
    }
}

impl Handler for ClearMedia {
    const KIND: &'static str = "clear_media";

    async fn run(&self, _job: &Job, lease: &Lease) -> Outcome {
        loop {
            if let Some(interruption) = lease.interruption() {
                return interruption;
            }
            let cleared = tokio::select! {
                biased;
                interruption = lease.interrupted() => return interruption,
                cleared = self.clear(lease) => cleared,
            };
            match cleared {
                Ok(true) => {}
                Ok(false) => {
                    return Outcome::Done {
                        reason: "cleared".to_owned(),
                    };
                }
                Err(Trouble::LeaseLost) => return Outcome::LeaseLost,
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

impl ClearMedia {
    /// One round; false when there was nothing to do.
    async fn clear(&self, lease: &Lease) -> Result<bool, Trouble> {
        let uploads = self.end_stale(lease).await?;
        let leaving = self.take(Step::BeginLeaving, lease).await?;
        if leaving.is_empty() {
            return Ok(uploads > 0);
        }
        let deletions = leaving.into_iter().map(|hash| self.delete(hash));
        let deleted: Vec<_> = stream::iter(deletions)
            .buffer_unordered(CONCURRENT)
            .collect()
            .await;
        let gone: Vec<_> = deleted
            .iter()
            .filter_map(|one| one.as_ref().ok())
            .copied()
            .collect();
        self.take(Step::Left(&gone), lease).await?;
        match deleted.into_iter().find_map(Result::err) {
            Some(error) => Err(error.into()),
            None => Ok(true),
        }
    }

    async fn delete(&self, hash: ContentHash) -> Result<ContentHash, StoreError> {
        self.store.delete(&hash).await?;
        Ok(hash)
    }

    async fn end_stale(&self, lease: &Lease) -> Result<usize, Trouble> {
        let conn = self.db.get().await?;
        let stale = objects::stale_uploads(&conn, self.stale.as_secs_f64(), AT_ONCE).await?;
        drop(conn);
        for upload in &stale {
            self.end(upload, lease).await?;
        }
        Ok(stale.len())
    }

    async fn end(&self, upload: &StaleUpload, lease: &Lease) -> Result<(), Trouble> {
        let multipart_id = upload.multipart_id.as_deref();
        self.store.abandon(upload.id, multipart_id).await?;
        tracing::info!(upload.id = %upload.id, "an upload that came to nothing was cleared");
        self.take(Step::EndUpload(upload.id), lease).await?;
        Ok(())
    }

    /// A transaction that counts only while the job is ours.
    async fn take(&self, step: Step<'_>, lease: &Lease) -> Result<Vec<ContentHash>, Trouble> {
        let mut conn = self.db.get().await?;
        let done = conn
            .transaction(async |conn| {
                let done = step.take(conn).await?;
                if lease.progress(conn, &json!({})).await? {
                    Ok(done)
                } else {
                    Err(db::QueryError::RollbackTransaction)
                }
            })
            .await?;
        Ok(done)
    }
}

impl Step<'_> {
    async fn take(&self, conn: &Connection) -> db::Result<Vec<ContentHash>> {
        match self {
            Self::EndUpload(id) => objects::end_upload(conn, *id).await?,
            Self::Left(hashes) => objects::left(conn, hashes).await?,
            Self::BeginLeaving => return objects::begin_leaving(conn, AT_ONCE).await,
        }
        Ok(Vec::new())
    }
}

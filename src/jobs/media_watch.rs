//! Sees to it that there is a job when there are files to fetch or objects to delete.
//!
//! Rows say what there is to do, so a push that brings a file, or takes one, has nothing to
//! queue: a job that all of them share would have them wait for each other.

use std::{sync::Arc, time::Duration};

use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::{Handler as _, archive::Archive, clear_media};
use crate::{
    app::App,
    db::{
        self,
        jobs::{self, NewJob},
        media::{archive, objects},
    },
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    loop {
        if let Err(error) = look(&app).await {
            tracing::warn!(%error, "nobody looked after the media");
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(EVERY))
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
pub async fn look(app: &App) -> Result<(), db::Error> {
    let conn = app.db.get().await?;
    let mut wanted = Vec::new();
    if app.config.media.on && archive::any_due(&conn).await? {
        wanted.push(Archive::KIND);
    }
    if objects::any_to_clear(&conn, clear_media::STALE.as_secs_f64()).await? {
        wanted.push(clear_media::ClearMedia::KIND);
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
    app.ingest.jobs.notify_one();
    Ok(())
}

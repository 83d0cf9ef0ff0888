//! Deletes what has been kept long enough: of the audit (`admin.audit_days`), and of what
//! webhooks said.
//!
//! No job of the table: there is nothing to resume, and what one hour leaves the next one
//! finds.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    db::{self, audit},
};

/// Between two looks.
const EVERY: Duration = Duration::from_hours(1);
/// Rows of one statement, which holds their locks.
const AT_ONCE: usize = 1_000;
/// Statements of one look: an audit that was never cleared is cleared over hours.
const MOST: usize = 100;

/// Deletes until `stop`, at once and then each hour.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    loop {
        match clear(&app).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "audit rows were old enough to be deleted"),
            Err(error) => tracing::warn!(%error, "old audit rows were not deleted"),
        }
        if let Err(error) = app.sessions.forget().await {
            tracing::warn!(%error, "what old webhooks said was not deleted");
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

/// Deletes rows that are old enough, up to a hundred thousand. Returns how many.
///
/// # Errors
///
/// When the database is not there or a statement fails; what was deleted stays deleted.
pub async fn clear(app: &App) -> Result<usize, db::Error> {
    let kept = TimeDelta::days(app.config.admin.audit_days.into());
    let before = app.clock.now() - kept;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let mut deleted = 0;
    for _ in 0..MOST {
        let conn = app.db.get().await?;
        let rows = audit::delete_before(&conn, before, limit).await?;
        deleted += rows;
        if rows < AT_ONCE {
            break;
        }
    }
    Ok(deleted)
}

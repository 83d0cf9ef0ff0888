//! Deletes what has been kept long enough.
//!
//! No job of the table: there is nothing to resume, what one look leaves the next one
//! finds, and replicas pass over what another one is at.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use diesel_async::AsyncConnection as _;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    config::Config,
    db::{
        self,
        retention::{self, Kept},
        stream,
    },
};

/// Between two looks.
const EVERY: Duration = Duration::from_mins(10);
/// Rows of one transaction, which holds their locks.
const AT_ONCE: i64 = 1_000;

/// Frames of one transaction, which may be of as many viewers and holds the positions that
/// pushes want.
const FRAMES_AT_ONCE: i64 = 200;

/// How long something is kept. What is not here stays: messages and what they show until they
/// are erased, dead letters until they are replayed or redacted, ids of rooms and members.
fn age(kept: Kept, config: &Config) -> TimeDelta {
    match kept {
        // The receipt of an erasure is as good as its audit rows.
        Kept::Audit | Kept::Erasures => TimeDelta::days(config.admin.audit_days.into()),
        // Each room with activity is compared with the homeserver every quarter of an hour.
        Kept::JobsDone => TimeDelta::days(3),
        // The ledger: longer than a homeserver repeats. What comes later still has no second
        // effect, since rows are unique by event id.
        Kept::Transactions | Kept::JobsFailed | Kept::Backfills => TimeDelta::days(30),
        // They are expired then, or count no longer; clocks may differ.
        Kept::LinkCodes | Kept::LinkAttempts | Kept::ReportAttempts | Kept::OpenIdTokens => {
            TimeDelta::hours(1)
        }
    }
}

/// Deletes until `stop`, at once and then every ten minutes.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    loop {
        stop.run_until_cancelled(look(&app)).await;
        if stop.run_until_cancelled(sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

/// One failure, of a table that somebody locks say, is no reason to keep the rest.
async fn look(app: &App) {
    match prune(app).await {
        Ok(0) => {}
        Ok(frames) => tracing::info!(frames, "frames were older than anybody can resume"),
        Err(error) => tracing::warn!(%error, "old frames were not deleted"),
    }
    for kept in Kept::ALL {
        let of = kept.name();
        match clear(app, kept).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(of, rows, "what was old enough was deleted"),
            Err(error) => tracing::warn!(of, %error, "what is old enough was not deleted"),
        }
    }
    if let Err(error) = app.sessions.forget().await {
        tracing::warn!(%error, "what old webhooks said was not deleted");
    }
}

/// Deletes what is older than it is kept. Returns how many rows.
///
/// # Errors
///
/// When the database is not there or a statement fails; what was deleted stays deleted.
pub async fn clear(app: &App, kept: Kept) -> Result<usize, db::Error> {
    // By Postgres's clock, which wrote the times: one of ours that is a year ahead costs nothing.
    let before = app.ingest.clock.now() - age(kept, &app.config);
    let mut pace = Pace::default();
    loop {
        let conn = app.db.get().await?;
        let taken = retention::take(&conn, kept, before, AT_ONCE).await?;
        drop(conn);
        if taken == 0 {
            return Ok(pace.taken);
        }
        pace.rest_after(taken).await;
    }
}

/// Deletes frames that are older than `websocket.replay_days`. Returns how many.
///
/// # Errors
///
/// When the database is not there or a statement fails; what was deleted stays deleted.
pub async fn prune(app: &App) -> Result<usize, db::Error> {
    let before = app.ingest.clock.now() - TimeDelta::days(app.config.websocket.replay_days.into());
    let mut pace = Pace::default();
    loop {
        let mut conn = app.db.get().await?;
        let step = conn.transaction(async |conn| stream::prune(conn, before, FRAMES_AT_ONCE).await);
        let taken = step.await?;
        drop(conn);
        if taken == 0 {
            return Ok(pace.taken);
        }
        pace.rest_after(taken).await;
    }
}

/// Step after step, with rests as long as each has taken: however much has gathered, others
/// have the database for half of the time.
struct Pace {
    taken: usize,
    began: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            taken: 0,
            began: Instant::now(),
        }
    }
}

impl Pace {
    async fn rest_after(&mut self, taken: usize) {
        self.taken += taken;
        sleep(self.began.elapsed()).await;
        self.began = Instant::now();
    }
}

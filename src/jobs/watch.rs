//! Watches the homeserver: whenever it is there again, it is asked to retry at
//! once what it could not push, and the bridges' rooms are looked through. Each room
//! is reconciled when it has settled, and from time to time.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::{
    Handler as _, backfill::Span, discover_bridge::DiscoverBridge, reconcile::Reconcile, refold,
};
use crate::{
    app::App,
    db::{
        self,
        jobs::{self, NewJob, enqueue},
        reconcile,
    },
    matrix::client::{ClientError, Homeserver},
    model::new_id,
};

/// Between two looks at a homeserver that is there: it must not have been away and come
/// back between them, since what it loses then is looked for because it was away.
const CALM: Duration = Duration::from_secs(3);
/// Between two looks at one that is not.
const EAGER: Duration = Duration::from_secs(2);

/// How long an answer may take: long for a homeserver that is busy, short for one that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a homeserver that is there again gets to repeat what waited.
const SETTLED: TimeDelta = TimeDelta::seconds(20);
/// How often a room with activity is reconciled.
const EVERY: TimeDelta = TimeDelta::minutes(15);
/// How many rooms are queued at a time.
const AT_ONCE: i64 = 100;

/// Watches until `stop`.
pub async fn run(
    app: Arc<App>,
    homeserver: Homeserver,
    appservice_id: String,
    stop: CancellationToken,
) {
    // Unknown at first, so that a homeserver that was never there is spoken of too.
    let mut was_up = None;
    // Since when the homeserver's pushes have been coming through.
    let mut since = app.clock.now();
    loop {
        let up = look(&app, &homeserver, was_up != Some(false)).await;
        if up && was_up != Some(true) {
            welcome(&app, &homeserver, &appservice_id).await;
            since = app.clock.now();
        }
        if app.health.was_refused() {
            since = app.clock.now();
        }
        if up && let Err(error) = queue_reconcile(&app, since).await {
            tracing::warn!(%error, "rooms were not queued to be reconciled");
        }
        was_up = Some(up);
        let pause = if up { CALM } else { EAGER };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

async fn look(app: &App, homeserver: &Homeserver, is_news: bool) -> bool {
    let answer = tokio::time::timeout(PATIENCE, homeserver.versions()).await;
    let error = match answer {
        Ok(Ok(_)) => {
            app.health.homeserver_seen(app.clock.now());
            return true;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {PATIENCE:?}"),
    };
    app.health.homeserver_missed();
    if is_news {
        tracing::warn!(error, "the homeserver does not answer");
    }
    false
}

/// A homeserver that was away has transactions waiting, up to minutes away from
/// their next try: a ping through it makes it retry now.
async fn welcome(app: &App, homeserver: &Homeserver, appservice_id: &str) {
    if let Err(error) = hurry(app).await {
        tracing::warn!(%error, "jobs that wait were not made due");
    }
    match homeserver.ping(appservice_id, &new_id().to_string()).await {
        Ok(took) => tracing::info!(?took, "the homeserver reaches Tributary"),
        Err(error @ ClientError::Matrix { .. }) => {
            tracing::error!(%error, "the homeserver does not reach Tributary: check the registration's url");
        }
        Err(error) => tracing::error!(%error, "the ping through the homeserver failed"),
    }
    if let Err(error) = queue_discovery(app).await {
        tracing::warn!(%error, "the search for rooms was not queued");
    }
    match queue_refold(app).await {
        Ok(0) => {}
        Ok(rooms) => tracing::info!(rooms, "rooms that an older version filled are walked again"),
        Err(error) => tracing::warn!(%error, "rooms were not queued to be walked again"),
    }
}

/// What failed while the homeserver was away need not wait for its next try.
async fn hurry(app: &App) -> Result<(), db::Error> {
    let conn = app.db.get().await?;
    jobs::hurry(&conn).await?;
    app.ingest.jobs.notify_one();
    Ok(())
}

/// Queues rooms to be compared: each one after a start or an outage, when the
/// homeserver has had time to repeat what it could not push; then those with activity
/// every quarter of an hour, and every one once a day.
async fn queue_reconcile(app: &App, since: DateTime<Utc>) -> Result<(), db::Error> {
    if app.clock.now() < since + SETTLED {
        return Ok(());
    }
    let conn = app.db.get().await?;
    let found = reconcile::due(&conn, since + SETTLED, EVERY.num_seconds(), AT_ONCE).await?;
    if found.is_empty() {
        return Ok(());
    }
    let job = |room_id| NewJob {
        kind: Reconcile::KIND,
        key: room_id,
        payload: Map::new(),
    };
    enqueue(&conn, &found.into_iter().map(job).collect::<Vec<_>>()).await?;
    app.ingest.jobs.notify_one();
    Ok(())
}

async fn queue_refold(app: &App) -> Result<usize, db::Error> {
    let least = Span {
        days: app.config.backfill.days,
        max_messages: app.config.backfill.max_messages,
    };
    let conn = app.db.get().await?;
    let rooms = refold::queue(&conn, least).await?;
    app.ingest.jobs.notify_one();
    Ok(rooms)
}

async fn queue_discovery(app: &App) -> Result<(), db::Error> {
    let job = |bridge: &crate::matrix::bridges::Bridge| NewJob {
        kind: DiscoverBridge::KIND,
        key: bridge.id.clone(),
        payload: Map::new(),
    };
    let jobs: Vec<_> = app.bridges.iter().map(job).collect();
    let conn = app.db.get().await?;
    enqueue(&conn, &jobs).await?;
    app.ingest.jobs.notify_one();
    Ok(())
}

//! `GET /healthz`: how everything is.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::PATIENCE;
use crate::{
    app::AppState,
    auth::clerk,
    db::{self, health::Work},
    model::{time, words},
};

/// How everything is. Only a database that is down makes it unhealthy: what was
/// stored can be read without Clerk's keys being fetched again, or a homeserver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Health {
    /// Whether the database is up.
    ok: bool,
    /// Tributary's version.
    version: &'static str,
    /// The database.
    db: Availability,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::database_error, required = false)]
    db_error: Option<&'static str>,
    /// Clerk's keys, when last needed.
    clerk: Availability,
    /// The homeserver, as last noticed.
    homeserver: Availability,
    /// How the work is going.
    sync: SyncState,
    /// When a transaction was last taken.
    #[serde(serialize_with = "time::milliseconds_opt")]
    #[schema(required)]
    last_transaction_at: Option<DateTime<Utc>>,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Availability {
    /// It is, or was when last looked at.
    Ok,
    /// It is not.
    Down,
}

/// How the work is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum SyncState {
    /// History or rooms are coming in.
    Syncing,
    /// Nothing to do.
    Idle,
    /// Work has been due for a minute and nobody does it.
    Behind,
}

/// How everything is.
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "get_health",
    responses((status = 200, description = "The database is up", body = Health),
        (status = 503, description = "The database is down", body = Health))
)]
pub(in crate::api) async fn healthz(State(app): State<AppState>) -> (StatusCode, Json<Health>) {
    let work = look(&app).await;
    let status = match work {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(describe(&app, work)))
}

async fn look(app: &AppState) -> Result<Work, &'static str> {
    let work = async {
        let mut conn = app.db.get().await?;
        Ok(db::health::work(&mut conn).await?)
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(work)) => Ok(work),
        Ok(Err(db::Error::Query(_))) => Err("failing"),
        Ok(Err(db::Error::Connect(_))) => Err("unreachable"),
        Err(_) => Err("timeout"),
    }
}

fn describe(app: &AppState, work: Result<Work, &'static str>) -> Health {
    let sync = match work {
        Ok(Work { behind: true, .. }) | Err(_) => SyncState::Behind,
        Ok(Work { active: true, .. }) => SyncState::Syncing,
        Ok(_) => SyncState::Idle,
    };
    Health {
        ok: work.is_ok(),
        version: env!("CARGO_PKG_VERSION"),
        db: status(work.is_ok()),
        db_error: work.err(),
        clerk: status(app.clerk.health() == clerk::Health::Up),
        homeserver: status(app.health.homeserver().up),
        sync,
        // Those without events are in no ledger.
        last_transaction_at: work
            .ok()
            .and_then(|work| work.last_transaction_at)
            .max(app.health.last_transaction()),
    }
}

fn status(up: bool) -> Availability {
    if up {
        Availability::Ok
    } else {
        Availability::Down
    }
}

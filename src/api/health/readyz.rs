//! `GET /readyz`: whether to send requests here.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::PATIENCE;
use crate::{
    app::AppState,
    db::{self, migrate},
    model::words,
};

/// Whether to send requests here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct Readiness {
    /// Whether it is.
    ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::unready, required = false)]
    reason: Option<&'static str>,
}

/// Whether the database can be reached and is migrated, and no shutdown has begun.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "get_readiness",
    responses((status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness))
)]
pub(in crate::api) async fn readyz(State(app): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let reason = missing(&app).await;
    let status = match reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let ready = reason.is_none();
    (status, Json(Readiness { ready, reason }))
}

/// The same of one that has not begun to serve: never ready.
pub(in crate::api) async fn waiting(State(app): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let reason = missing(&app).await.or(Some("starting"));
    let ready = false;
    let readiness = Readiness { ready, reason };
    (StatusCode::SERVICE_UNAVAILABLE, Json(readiness))
}

async fn missing(app: &AppState) -> Option<&'static str> {
    if app.stop.is_cancelled() {
        return Some("draining");
    }
    match tokio::time::timeout(PATIENCE, is_migrated(app)).await {
        Ok(Ok(true)) => None,
        // Without migrations there is not even a table that says so.
        Ok(Ok(false) | Err(db::Error::Query(_))) => Some("migrations"),
        Ok(Err(_)) | Err(_) => Some("database"),
    }
}

async fn is_migrated(app: &AppState) -> Result<bool, db::Error> {
    let mut conn = app.db.get().await?;
    Ok(migrate::is_current(&mut conn).await?)
}

//! `POST /api/admin/rooms/reconcile`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        ApiError,
        admin::calls::{AdminCall, Committed},
        error::Refusals,
        extract::AdminKey,
    },
    app::AppState,
};

/// What was queued.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Queued {
    /// How many jobs.
    #[schema(minimum = 0)]
    jobs: usize,
    /// How many of them look for rooms that nobody told of: one a bridge.
    bridges: usize,
    /// How many of them compare a room with its history.
    rooms: usize,
}

/// Looks for rooms that nobody told of, and for events that were never pushed in those
/// whose history comes in by itself.
#[utoipa::path(
    post, path = "/api/admin/rooms/reconcile", tag = "admin", security(("admin" = [])),
    responses((status = 202, description = "Queued", body = Queued), Refusals)
)]
pub(in crate::api) async fn reconcile_rooms(
    _: AdminKey,
    call: AdminCall,
    State(app): State<AppState>,
) -> Result<Committed<(StatusCode, Json<Queued>)>, ApiError> {
    let looked = app.operator.reconcile(call.entry()).await?;
    let queued = Queued {
        jobs: looked.bridges + looked.rooms,
        bridges: looked.bridges,
        rooms: looked.rooms,
    };
    Ok(Committed((StatusCode::ACCEPTED, Json(queued))))
}

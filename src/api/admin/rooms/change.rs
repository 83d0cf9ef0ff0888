//! `PATCH /api/admin/rooms/{roomId}`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        ApiError,
        admin::calls::{AdminCall, Committed},
        error::Refusals,
        extract::{AdminKey, JsonBody, PathRoom},
    },
    app::AppState,
    model::room::Room,
    operator::Switches,
};

/// What is to be switched; at least one of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Change {
    /// Whether the room is ingested.
    #[serde(default)]
    enabled: Option<bool>,
    /// Whether its history comes in by itself, or only when the operator asks.
    #[serde(default)]
    backfill: Option<bool>,
}

/// Switches a room. One that is off takes nothing in but redactions, and its backfill is called off;
/// one that is on again gets what it missed.
#[utoipa::path(
    patch, path = "/api/admin/rooms/{roomId}", tag = "admin",
    params(("roomId" = String, Path, description = "The Matrix room")),
    request_body = Change, security(("admin" = [])),
    responses((status = 200, description = "The room", body = Room), Refusals)
)]
pub(in crate::api) async fn change_room(
    _: AdminKey,
    PathRoom(room_id): PathRoom,
    call: AdminCall,
    State(app): State<AppState>,
    JsonBody(change): JsonBody<Change>,
) -> Result<Committed<Json<Room>>, ApiError> {
    if change.enabled.is_none() && change.backfill.is_none() {
        return Err(ApiError::invalid("enabled or backfill has to be given"));
    }
    let switches = Switches {
        enabled: change.enabled,
        backfill: change.backfill,
    };
    let room = app
        .operator
        .switch(&room_id, switches, call.entry())
        .await?;
    Ok(Committed(Json(room)))
}

//! `POST /api/admin/dead-letters/{id}/replay`.

use axum::{Json, extract::State};

use crate::{
    api::{
        ApiError,
        admin::calls::{AdminCall, Committed},
        error::{Conflicts, Refusals},
        extract::{AdminKey, PathId},
    },
    app::AppState,
    ingest::Replayed,
    model::dead_letter::Replay,
};

/// Takes the event of a dead letter in again. The letter goes, unless the event can
/// still not be taken in (`conflict`).
#[utoipa::path(
    post, path = "/api/admin/dead-letters/{id}/replay", tag = "admin",
    params(("id" = Uuid, Path, description = "The letter")), security(("admin" = [])),
    responses((status = 200, description = "What became of the event", body = Replay), Conflicts, Refusals)
)]
pub(in crate::api) async fn replay_dead_letter(
    _: AdminKey,
    PathId(id): PathId,
    call: AdminCall,
    State(app): State<AppState>,
) -> Result<Committed<Json<Replay>>, ApiError> {
    match app.ingest.replay(id, call.entry()).await? {
        Replayed::Taken(replay) => Ok(Committed(Json(replay))),
        Replayed::Refused(reason) => Err(ApiError::Conflict(reason)),
        Replayed::Unknown => Err(ApiError::NotFound),
    }
}

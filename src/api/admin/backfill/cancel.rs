//! `POST /api/admin/backfill/{id}/cancel`.

use axum::{Json, extract::State};

use crate::{
    api::{
        ApiError,
        admin::calls::{AdminCall, Committed},
        error::{Conflicts, Refusals},
        extract::{AdminKey, PathId},
    },
    app::AppState,
    model::backfill::Backfill,
};

/// Calls a backfill off. What it brought so far stays; one that has ended is a
/// `conflict`.
#[utoipa::path(
    post, path = "/api/admin/backfill/{id}/cancel", tag = "admin",
    params(("id" = Uuid, Path, description = "The backfill")), security(("admin" = [])),
    responses((status = 200, description = "It is called off", body = Backfill), Conflicts, Refusals)
)]
pub(in crate::api) async fn cancel_backfill(
    _: AdminKey,
    PathId(id): PathId,
    call: AdminCall,
    State(app): State<AppState>,
) -> Result<Committed<Json<Backfill>>, ApiError> {
    let job = app.operator.cancel(id, call.entry()).await?;
    Ok(Committed(Json(job)))
}

//! `GET /api/admin/backfill/{id}`.

use axum::{Json, extract::State};

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{AdminKey, PathId},
    },
    app::AppState,
    db::admin::backfills,
    model::backfill::Backfill,
};

/// A backfill, and how far it is.
#[utoipa::path(
    get, path = "/api/admin/backfill/{id}", tag = "admin",
    params(("id" = Uuid, Path, description = "The backfill")), security(("admin" = [])),
    responses((status = 200, description = "The backfill", body = Backfill), Refusals)
)]
pub(in crate::api) async fn get_backfill(
    _: AdminKey,
    PathId(id): PathId,
    State(app): State<AppState>,
) -> Result<Json<Backfill>, ApiError> {
    let mut conn = app.db.get().await?;
    let job = backfills::get(&mut conn, id).await?;
    job.map(Json).ok_or(ApiError::NotFound)
}

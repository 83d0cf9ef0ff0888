//! `GET /api/admin/backfill`.

use axum::{Json, extract::State};
use serde::Deserialize;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{AdminKey, Filter, Paging, PagingQuery, Term},
        page::Page,
    },
    app::AppState,
    db::{
        admin::backfills::{self, Place},
        jobs::JobState,
    },
    model::{backfill::Backfill, words},
};

/// Which backfills.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Only {
    /// Only those in this state.
    #[param(schema_with = words::job_state, required = false)]
    state: Option<JobState>,
    /// Only those of this Matrix room.
    #[param(value_type = Option<String>)]
    room_id: Option<Term>,
}

/// Backfills, whoever asked for them, the newest first.
#[utoipa::path(
    get, path = "/api/admin/backfill", tag = "admin",
    params(PagingQuery, Only), security(("admin" = [])),
    responses((status = 200, description = "A page", body = Page<Backfill>), Refusals)
)]
pub(in crate::api) async fn list_backfills(
    _: AdminKey,
    Filter(only): Filter<Only>,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<Backfill>>, ApiError> {
    let filter = backfills::Filter {
        state: only.state,
        room_id: only.room_id.as_ref().map(|Term(id)| id.as_str()),
    };
    let mut conn = app.db.get().await?;
    let page = backfills::page(&mut conn, filter, paging.after, paging.limit);
    Ok(Json(page.await?.into()))
}

//! `GET /api/admin/rooms`.

use axum::{Json, extract::State};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{AdminKey, Filter, Paging, PagingQuery},
        page::Page,
    },
    app::AppState,
    db::admin::rooms::{self, Place},
    model::room::Room,
};

/// Which rooms.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Only {
    /// Only those that this connection sees.
    connection_id: Option<Uuid>,
    /// Only those with a conversation, or only those without.
    mapped: Option<bool>,
    /// Only those that are ingested, or only those that are switched off.
    enabled: Option<bool>,
}

/// Every room that Tributary has heard of, the last one first.
#[utoipa::path(
    get, path = "/api/admin/rooms", tag = "admin",
    params(PagingQuery, Only), security(("admin" = [])),
    responses((status = 200, description = "A page", body = Page<Room>), Refusals)
)]
pub(in crate::api) async fn list_rooms(
    _: AdminKey,
    Filter(only): Filter<Only>,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<Room>>, ApiError> {
    let filter = rooms::Filter {
        connection_id: only.connection_id,
        mapped: only.mapped,
        enabled: only.enabled,
    };
    let mut conn = app.db.get().await?;
    let page = rooms::page(&mut conn, filter, paging.after, paging.limit);
    Ok(Json(page.await?.into()))
}

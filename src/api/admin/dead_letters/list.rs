//! `GET /api/admin/dead-letters`.

use axum::{
    Json,
    extract::{FromRequestParts, Query, State},
    http::request::Parts,
};
use serde::Deserialize;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{AdminKey, Paging, PagingQuery},
        page::Page,
    },
    app::AppState,
    db::dead_letters::{self, Place},
    model::dead_letter::DeadLetter,
};

/// Which letters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Only {
    /// Only those of this Matrix room.
    room_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Only {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        match query {
            // Postgres takes no U+0000, and no room id has one.
            Ok(Query(only)) if !only.room_id.iter().any(|id| id.contains('\0')) => Ok(only),
            _ => Err(ApiError::invalid("roomId is a Matrix room id")),
        }
    }
}

/// The dead letters, the newest first, without what is in them.
#[utoipa::path(
    get, path = "/api/admin/dead-letters", tag = "admin",
    params(PagingQuery, Only), security(("admin" = [])),
    responses((status = 200, description = "A page", body = Page<DeadLetter>), Refusals)
)]
pub(in crate::api) async fn list_dead_letters(
    _: AdminKey,
    Only { room_id }: Only,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<DeadLetter>>, ApiError> {
    let mut conn = app.db.get().await?;
    let page = dead_letters::page(&mut conn, room_id.as_deref(), paging.after, paging.limit);
    Ok(Json(page.await?.into()))
}

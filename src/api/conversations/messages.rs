//! `GET /api/conversations/{id}/messages`.

use axum::{Json, extract::State};

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{Paging, PagingQuery, PathId, Viewer},
        page::Page,
    },
    app::AppState,
    db::read::messages::{self, Place},
    model::message::Message,
};

/// The messages of one of the caller's conversations, the newest first.
#[utoipa::path(
    get, path = "/api/conversations/{id}/messages", tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation"), PagingQuery),
    security(("clerk" = [])),
    responses((status = 200, description = "A page", body = Page<Message>), Refusals)
)]
pub(in crate::api) async fn list_messages(
    viewer: Viewer,
    PathId(id): PathId,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<Message>>, ApiError> {
    let mut conn = app.db.get().await?;
    let page = messages::page(
        &mut conn,
        viewer.user_id(),
        id,
        paging.after.as_ref(),
        paging.limit,
    );
    let page = page.await?.ok_or(ApiError::NotFound)?;
    Ok(Json(page.into()))
}

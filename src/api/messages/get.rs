//! `GET /api/messages/{id}`.

use axum::{Json, extract::State};

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{PathId, Viewer},
    },
    app::AppState,
    db::read::messages,
    model::message::FullMessage,
};

/// A message that the caller may see, with the event's full content; a redacted
/// one has none.
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "messages",
    params(("id" = Uuid, Path, description = "The message")), security(("clerk" = [])),
    responses((status = 200, description = "The message", body = FullMessage), Refusals)
)]
pub(in crate::api) async fn get_message(
    viewer: Viewer,
    PathId(id): PathId,
    State(app): State<AppState>,
) -> Result<Json<FullMessage>, ApiError> {
    let mut conn = app.db.get().await?;
    messages::full(&mut conn, viewer.user_id(), id)
        .await?
        .map(Json)
        .ok_or(ApiError::NotFound)
}

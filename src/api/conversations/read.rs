//! `POST /api/conversations/{id}/read`.

use axum::{Json, extract::State};

use super::get::find;
use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{PathId, Viewer},
    },
    app::AppState,
    db::read::conversations,
    model::conversation::Conversation,
};

/// Marks everything in a conversation as read, for the caller; answers the conversation.
#[utoipa::path(
    post, path = "/api/conversations/{id}/read", tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation")), security(("clerk" = [])),
    responses((status = 200, description = "The conversation", body = Conversation), Refusals)
)]
pub(in crate::api) async fn read_conversation(
    viewer: Viewer,
    PathId(id): PathId,
    State(app): State<AppState>,
) -> Result<Json<Conversation>, ApiError> {
    let mut conn = app.db.get().await?;
    let heads = conversations::mark_read(&mut conn, viewer.user_id(), id)
        .await?
        .ok_or(ApiError::NotFound)?;
    app.feed.advance(&heads);
    find(&mut conn, viewer.user_id(), id).await.map(Json)
}

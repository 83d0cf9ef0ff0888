//! `GET /api/conversations/{id}`.

use axum::{Json, extract::State};
use uuid::Uuid;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{PathId, Viewer},
    },
    app::AppState,
    db::{
        self,
        read::{conversations, participants},
    },
    model::conversation::Conversation,
};

/// One of the caller's conversations, with its participants.
#[utoipa::path(
    get, path = "/api/conversations/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation")), security(("clerk" = [])),
    responses((status = 200, description = "The conversation", body = Conversation), Refusals)
)]
pub(in crate::api) async fn get_conversation(
    viewer: Viewer,
    PathId(id): PathId,
    State(app): State<AppState>,
) -> Result<Json<Conversation>, ApiError> {
    let mut conn = app.db.get().await?;
    find(&mut conn, viewer.user_id(), id).await.map(Json)
}

/// A conversation of this viewer's, with its participants.
pub(super) async fn find(
    conn: &mut db::Connection,
    user_id: &str,
    id: Uuid,
) -> Result<Conversation, ApiError> {
    let mut conversation = conversations::by_ids(conn, user_id, &[id])
        .await?
        .pop()
        .ok_or(ApiError::NotFound)?;
    conversation.participants = Some(participants::list(conn, user_id, id).await?);
    Ok(conversation)
}

//! `GET /api/conversations`: the list, and where the live stream goes on from it.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{Paging, PagingQuery, Viewer, encode_cursor},
    },
    app::AppState,
    db::read::conversations::{self, Place},
    model::conversation::Conversation,
    stream::cursor::Cursor,
};

/// A page of the caller's conversations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ConversationList {
    /// The conversations.
    items: Vec<Conversation>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// What to give to `/ws?since=`, so that nothing is missed after this answer.
    cursor: String,
}

/// The caller's conversations, those with the newest messages first.
#[utoipa::path(
    get, path = "/api/conversations", tag = "conversations",
    params(PagingQuery), security(("clerk" = [])),
    responses((status = 200, description = "A page", body = ConversationList), Refusals)
)]
pub(in crate::api) async fn list_conversations(
    viewer: Viewer,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<ConversationList>, ApiError> {
    let mut conn = app.db.get().await?;
    let user_id = viewer.user_id();
    let (page, at) =
        conversations::snapshot(&mut conn, user_id, paging.after, paging.limit).await?;
    Ok(Json(ConversationList {
        next_cursor: page.next.as_ref().map(encode_cursor),
        items: page.items,
        cursor: Cursor::new(at.epoch, user_id, at.position).to_string(),
    }))
}

//! `GET /api/messages/{id}/context`.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{Options, PathId, Viewer, encode_cursor},
    },
    app::AppState,
    db::read::messages,
    model::message::Message,
};

const LIMITS: std::ops::RangeInclusive<i64> = 1..=100;
const DEFAULT_LIMIT: i64 = 25;

/// How much of the context.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ContextQuery {
    /// At most so many messages before it, and as many after it.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100, default = 25)]
    limit: Option<String>,
}

/// A message among those around it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct MessageContext {
    /// Its conversation.
    conversation_id: Uuid,
    /// The messages, the newest first.
    items: Vec<Message>,
    /// For `GET /api/conversations/{id}/messages?cursor=`, which goes on with older ones; null
    /// when there are none.
    #[schema(required)]
    older_cursor: Option<String>,
    /// For the same with `&order=oldest`, which goes on with newer ones; null when there are none.
    #[schema(required)]
    newer_cursor: Option<String>,
}

/// A message that the caller may see, with those before and after it in its conversation.
#[utoipa::path(
    get, path = "/api/messages/{id}/context", tag = "messages",
    params(("id" = Uuid, Path, description = "The message"), ContextQuery), security(("clerk" = [])),
    responses((status = 200, description = "The messages", body = MessageContext), Refusals)
)]
pub(in crate::api) async fn message_context(
    viewer: Viewer,
    PathId(id): PathId,
    Options(ContextQuery { limit }): Options<ContextQuery>,
    State(app): State<AppState>,
) -> Result<Json<MessageContext>, ApiError> {
    let limit = limit.as_deref().map_or(Some(DEFAULT_LIMIT), |limit| {
        limit.parse().ok().filter(|limit| LIMITS.contains(limit))
    });
    let limit = limit.ok_or_else(|| ApiError::invalid("limit is 1 to 100"))?;
    let mut conn = app.db.get().await?;
    let around = messages::around(&mut conn, viewer.user_id(), id, limit).await?;
    let around = around.ok_or(ApiError::NotFound)?;
    Ok(Json(MessageContext {
        conversation_id: around.conversation_id,
        older_cursor: around.older.next.as_ref().map(encode_cursor),
        newer_cursor: around.newer.next.as_ref().map(encode_cursor),
        items: around.into_items(),
    }))
}

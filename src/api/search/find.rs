//! `GET /api/search`.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cursor::Cursor;
use crate::{
    api::{
        ApiError,
        error::{Refusals, Unknown},
        extract::{Filter, Paging, PagingQuery, Viewer, encode_cursor, parse_id},
    },
    app::AppState,
    db::{
        self,
        read::search::{Scope, is_in_reach},
    },
    model::search::{FoundConversation, FoundMessage},
    search::{self, Query},
};

/// What is searched for, and where.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct SearchQuery {
    /// Words that all have to be there, without regard to case and accents; `"..."` for
    /// words one behind the other, `word*` for whatever begins so. The last word may go on
    /// unless something follows it, if only a space. Sixteen words count, and 64 in quotes.
    #[param(max_length = 1000)]
    q: String,
    /// Only in this conversation.
    #[param(value_type = Option<Uuid>)]
    conversation_id: Option<String>,
    /// `newest` first, or the `best` of the 250 newest.
    #[serde(default)]
    #[param(inline)]
    order: Order,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Newest,
    Best,
}

/// A page of what was found.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct SearchPage {
    /// Messages. There may be fewer than `limit`, even none, although there is a next page.
    items: Vec<FoundMessage>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Conversations with such a title, or with somebody of such a name in them: ten at most,
    /// with the first page of a search in all conversations.
    conversations: Vec<FoundConversation>,
}

/// The caller's messages with these words, in what is shown of them.
#[utoipa::path(
    get, path = "/api/search", tag = "messages",
    params(SearchQuery, PagingQuery), security(("clerk" = [])),
    responses((status = 200, description = "A page", body = SearchPage), Unknown, Refusals)
)]
pub(in crate::api) async fn search_messages(
    viewer: Viewer,
    Filter(asked): Filter<SearchQuery>,
    paging: Paging<Cursor>,
    State(app): State<AppState>,
) -> Result<Json<SearchPage>, ApiError> {
    let query = Query::parse(&asked.q).map_err(|why| ApiError::invalid(why.to_string()))?;
    let conversation_id = match &asked.conversation_id {
        Some(id) => Some(parse_id(id).ok_or(ApiError::NotFound)?),
        None => None,
    };
    let scope = Scope {
        user_id: viewer.user_id(),
        conversation_id,
    };
    let mut conn = app.db.get().await?;
    if !is_in_reach(&mut conn, scope).await? {
        return Err(ApiError::NotFound);
    }
    if query.is_empty() {
        return Ok(Json(SearchPage::default()));
    }
    let is_first = paging.after.is_none();
    let mut page = messages(&mut conn, scope, &query, asked.order, paging).await?;
    if is_first && conversation_id.is_none() {
        page.conversations = search::conversations(&mut conn, scope.user_id, &query).await?;
    }
    Ok(Json(page))
}

async fn messages(
    conn: &mut db::Connection,
    scope: Scope<'_>,
    query: &Query,
    order: Order,
    paging: Paging<Cursor>,
) -> Result<SearchPage, ApiError> {
    let foreign = || ApiError::invalid("cursor is not of this list");
    let limit = usize::try_from(paging.limit).unwrap_or_default();
    let (items, next): (_, Option<Cursor>) = match order {
        Order::Newest => {
            let before = paging
                .after
                .map(|c| c.newest().ok_or_else(foreign))
                .transpose()?;
            let page = search::newest(conn, scope, query, before, limit).await?;
            (page.items, page.next.map(Into::into))
        }
        Order::Best => {
            let after = paging
                .after
                .map(|c| c.best().ok_or_else(foreign))
                .transpose()?;
            let page = search::best(conn, scope, query, after, limit).await?;
            (page.items, page.next.map(Into::into))
        }
    };
    Ok(SearchPage {
        items,
        next_cursor: next.as_ref().map(encode_cursor),
        conversations: Vec::new(),
    })
}

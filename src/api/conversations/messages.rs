//! `GET /api/conversations/{id}/messages`.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{Paging, PagingQuery, PathId, Viewer},
        page::Page,
    },
    app::AppState,
    db::read::messages::{self, Order, Place},
    model::message::Message,
};

/// From which end.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Direction {
    /// `newest` first and then back, or `oldest` first and then on.
    #[serde(default)]
    #[param(inline)]
    order: Order,
}

/// The messages of one of the caller's conversations, in either order. A cursor goes on from
/// the same message in both.
#[utoipa::path(
    get, path = "/api/conversations/{id}/messages", tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation"), Direction, PagingQuery),
    security(("clerk" = [])),
    responses((status = 200, description = "A page", body = Page<Message>), Refusals)
)]
pub(in crate::api) async fn list_messages(
    viewer: Viewer,
    PathId(id): PathId,
    direction: Result<Query<Direction>, QueryRejection>,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<Message>>, ApiError> {
    let Query(Direction { order }) =
        direction.map_err(|_| ApiError::invalid("order is newest or oldest"))?;
    let conn = app.db.get().await?;
    let page = messages::page_in(
        &conn,
        viewer.user_id(),
        id,
        (order, paging.after.as_ref()),
        paging.limit,
    );
    let page = page.await?.ok_or(ApiError::NotFound)?;
    Ok(Json(page.into()))
}

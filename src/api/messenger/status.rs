//! `GET /api/messenger/status`.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        ApiError,
        error::{Refusals, Unknown},
        extract::{Viewer, parse_id},
    },
    app::AppState,
    db::read::connections,
    model::connection::{Connection, Status},
};

/// Which connections.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Only {
    /// Only this one.
    #[param(value_type = Option<Uuid>)]
    connection_id: Option<String>,
}

/// The caller's connections, the newest first, and how the newest is doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Statuses {
    connections: Vec<Connection>,
    #[schema(required)]
    status: Option<Status>,
    #[schema(required)]
    connection_id: Option<Uuid>,
    #[schema(required)]
    error: Option<String>,
}

/// How the caller's connections are doing.
#[utoipa::path(
    get, path = "/api/messenger/status", tag = "messenger",
    operation_id = "get_messenger_status", params(Only), security(("clerk" = [])),
    responses((status = 200, description = "The connections", body = Statuses), Unknown, Refusals)
)]
pub(in crate::api) async fn messenger_status(
    viewer: Viewer,
    State(app): State<AppState>,
    only: Result<Query<Only>, QueryRejection>,
) -> Result<Json<Statuses>, ApiError> {
    let Query(Only { connection_id }) =
        only.map_err(|_| ApiError::invalid("connectionId can't be read"))?;
    let only = match &connection_id {
        Some(id) => Some(parse_id(id).ok_or(ApiError::NotFound)?),
        None => None,
    };
    let mut conn = app.db.get().await?;
    let connections = connections::list(&mut conn, viewer.user_id(), only).await?;
    if only.is_some() && connections.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Json(Statuses::from(connections)))
}

impl From<Vec<Connection>> for Statuses {
    fn from(connections: Vec<Connection>) -> Self {
        let newest = connections.first();
        Self {
            status: newest.map(|connection| connection.status),
            connection_id: newest.map(|connection| connection.id),
            error: newest.and_then(|connection| connection.error.clone()),
            connections,
        }
    }
}

//! `DELETE /api/messenger/connections/{id}`.

use axum::{
    extract::{FromRequestParts, Query, State},
    http::{StatusCode, request::Parts},
};
use serde::Deserialize;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{ClientIp, PathId, Viewer},
    },
    app::AppState,
};

/// What goes with the connection.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct How {
    /// Whether what no other connection holds is deleted.
    #[serde(default)]
    purge: bool,
}

impl FromRequestParts<AppState> for How {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, app).await;
        query
            .map(|Query(how)| how)
            .map_err(|_| ApiError::invalid("purge is true or false"))
    }
}

/// Ends a connection; what it saw stays readable unless it is purged: then it is out of
/// sight when this answers, and what is much is deleted soon after. May be repeated, also
/// to purge later.
#[utoipa::path(
    delete, path = "/api/messenger/connections/{id}", tag = "messenger",
    params(("id" = Uuid, Path, description = "The connection"), How), security(("clerk" = [])),
    responses((status = 204, description = "It has ended"), Refusals)
)]
pub(in crate::api) async fn disconnect_messenger(
    viewer: Viewer,
    PathId(id): PathId,
    how: How,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
) -> Result<StatusCode, ApiError> {
    let user_id = viewer.user_id();
    app.accounts
        .disconnect(user_id, id, how.purge, origin)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `POST /api/messenger/connect`.

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{ClientIp, Viewer},
    },
    app::AppState,
    model::connection::Connection,
};

/// Makes sure that the caller has a connection: the one that is linked, or one
/// that waits for its code.
#[utoipa::path(
    post, path = "/api/messenger/connect", tag = "messenger", security(("clerk" = [])),
    responses((status = 202, description = "The connection", body = Connection), Refusals)
)]
pub(in crate::api) async fn connect_messenger(
    viewer: Viewer,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
) -> Result<(StatusCode, Json<Connection>), ApiError> {
    let connection = app.accounts.connect(viewer.user_id(), origin).await?;
    Ok((StatusCode::ACCEPTED, Json(connection)))
}

//! `POST /api/messenger/link`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    accounts::{Error, Refused},
    api::{
        ApiError,
        error::{Conflicts, Refusals, Unknown},
        extract::{ClientIp, JsonBody, Viewer},
    },
    app::AppState,
    model::connection::Connection,
};

/// In bytes; a code in quotes, however it is escaped.
const LONGEST: usize = 1024;

/// What the desktop program showed.
#[derive(Deserialize, ToSchema)]
pub(in crate::api) struct Link {
    /// The code, in any case, with spaces and dashes wherever they are.
    #[schema(example = "ABCD-2345")]
    code: String,
}

/// Redeems a code: the connection becomes the caller's.
#[utoipa::path(
    post, path = "/api/messenger/link", tag = "messenger",
    request_body = Link, security(("clerk" = [])),
    responses((status = 200, description = "The connection, linked", body = Connection), Conflicts, Unknown, Refusals)
)]
pub(in crate::api) async fn link_connection(
    viewer: Viewer,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
    JsonBody(Link { code }): JsonBody<Link, LONGEST>,
) -> Result<Json<Connection>, ApiError> {
    let linked = app.accounts.link(viewer.user_id(), &code, origin).await;
    linked.map(Json).map_err(|error| match error {
        Error::Refused(Refused::NotFound(_)) => ApiError::NoSuchCode,
        error => error.into(),
    })
}

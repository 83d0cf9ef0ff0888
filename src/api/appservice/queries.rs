//! `GET /_matrix/app/v1/users/{userId}` and `/rooms/{roomAlias}`: the homeserver
//! asks whether to make somebody up. Only the sender bot is Tributary's own.

use axum::{Json, extract::State};
use ruma_appservice_api::query::{query_room_alias, query_user_id};

use super::{Empty, Homeserver, empty, ruma_request::Ruma};
use crate::{api::error::MatrixError, app::AppState};

type UserQuery = Ruma<query_user_id::v1::Request>;
type RoomQuery = Ruma<query_room_alias::v1::Request>;

/// Whether a user exists. What is no Matrix id is nobody, too.
pub(super) async fn user(
    _: Homeserver,
    State(app): State<AppState>,
    query: Result<UserQuery, MatrixError>,
) -> Result<Json<Empty>, MatrixError> {
    match query {
        Ok(Ruma(query)) if query.user_id == app.bridges.sender_bot() => Ok(empty()),
        _ => Err(MatrixError::NOT_FOUND),
    }
}

/// Whether a room exists: Tributary has none.
pub(super) async fn room(_: Homeserver, _: Result<RoomQuery, MatrixError>) -> MatrixError {
    MatrixError::NOT_FOUND
}

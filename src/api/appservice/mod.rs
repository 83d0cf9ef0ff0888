//! What the homeserver calls (Matrix application service API).
//!
//! Every handler begins with [`Homeserver`]: nothing else of a request is looked at
//! before its token. Unknown paths are told without one.

mod homeserver;
mod ping;
mod queries;
mod ruma_request;
mod thirdparty;
mod transactions;

use axum::{
    Json, Router,
    routing::{any, get, post, put},
};
use serde::Serialize;

use self::homeserver::Homeserver;
use super::error::MatrixError;
use crate::app::AppState;

/// The answer `{}`.
#[derive(Debug, Clone, Copy, Serialize)]
struct Empty {}

/// The routes, the legacy ones without a prefix included.
pub(super) fn routes() -> Router<AppState> {
    let mut routes = Router::new();
    for prefix in ["/_matrix/app/v1", ""] {
        let path = |rest| format!("{prefix}{rest}");
        routes = routes
            .route(&path("/transactions/{txn_id}"), put(transactions::push))
            .route(&path("/users/{user_id}"), get(queries::user))
            .route(&path("/rooms/{room_alias}"), get(queries::room));
    }
    routes
        .route("/_matrix/app/v1/ping", post(ping::ping))
        .route(
            "/_matrix/app/v1/thirdparty/{kind}",
            get(thirdparty::by_matrix_id),
        )
        .route(
            "/_matrix/app/v1/thirdparty/{kind}/{protocol}",
            get(thirdparty::by_protocol),
        )
        .route("/_matrix/{*unknown}", any(unrecognized))
        .method_not_allowed_fallback(method_not_allowed)
}

fn empty() -> Json<Empty> {
    Json(Empty {})
}

async fn unrecognized() -> MatrixError {
    MatrixError::UNRECOGNIZED
}

async fn method_not_allowed() -> MatrixError {
    MatrixError::METHOD
}

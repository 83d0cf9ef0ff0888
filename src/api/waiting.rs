//! What is answered before there is a database to serve from: how Tributary is, and to all
//! else that it is not there yet, which the homeserver takes for a reason to try again.

use std::sync::Arc;

use axum::{
    Router,
    http::Uri,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};

use super::{ApiError, error::MatrixError, health, metrics, stack};
use crate::app::{App, AppState};

/// In place of [`router_beside`](super::router_beside).
pub fn waiting_router(app: Arc<App>) -> Router {
    if app.config.server.operator_bind.is_none() {
        return waiting_operator_router(app);
    }
    serve(status(), app)
}

/// In place of [`operator_router`](super::operator_router).
pub fn waiting_operator_router(app: Arc<App>) -> Router {
    let measured = status().route("/metrics", get(metrics::get::metrics));
    serve(measured, app)
}

fn status() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(health::healthz::healthz))
        .route("/livez", get(health::livez::livez))
        .route("/readyz", get(health::readyz::waiting))
}

fn serve(router: Router<AppState>, app: Arc<App>) -> Router {
    let router = router.fallback(any(not_yet));
    let stack = stack::all(router, app.limits.proxies());
    stack.with_state(AppState(app))
}

async fn not_yet(uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        ApiError::Unavailable("the database is away, or Tributary is starting").into_response()
    } else {
        MatrixError::UNAVAILABLE.into_response()
    }
}

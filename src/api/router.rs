//! The one list of routes. A route is one line, an endpoint one file.

use std::sync::Arc;

use axum::{Router, routing::any};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use super::{ApiError, openapi, stack};
use crate::app::{App, AppState};

/// Everything but the WebSocket, which is merged into it.
pub fn router(app: Arc<App>) -> Router {
    let (api, description) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(web())
        .split_for_parts();
    let api = api
        .route("/api/{*unknown}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed);
    let router = Router::new()
        .merge(stack::api(api, &app.config.server.allowed_origins))
        .merge(openapi::route(description))
        .fallback(not_found);
    stack::all(router).with_state(AppState(app))
}

/// What the web app, the desktop companion, the bridges and the operator call.
/// `/api/manager/` answers every Origin, the rest those of `server.allowed_origins`.
///
/// An endpoint's handler carries `#[utoipa::path(...)]` with its full path, its
/// `security` and `Refusals` among its responses, and comes in by
/// `.routes(routes!(module::handler))`; handlers of one path share a line.
fn web() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

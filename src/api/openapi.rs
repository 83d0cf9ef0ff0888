//! `GET /openapi.json`: the API's description, made from the routes themselves.

use axum::{Json, Router, routing::get};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::error::Problem;

/// What the description says besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tributary",
        description = "Bridged Messenger chats as data. Times are RFC 3339 UTC with milliseconds, ids are \
                       UUIDv7; errors are `application/problem+json` (RFC 9457) with a stable `code`."
    ),
    components(schemas(Problem)),
    modifiers(&Schemes)
)]
pub(super) struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, description) in [
            ("clerk", "A Clerk session token"),
            ("admin", "`admin.api_key`"),
            ("manager", "`manager.api_key`"),
            ("bridge", "The bridge's `as_token`"),
        ] {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description = Some(description.to_owned());
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// Serves a description, as it stands when the router is built.
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    description: utoipa::openapi::OpenApi,
) -> Router<S> {
    Router::new().route(
        "/openapi.json",
        get(move || std::future::ready(Json(description.clone()))),
    )
}

//! `GET /openapi.json`: the API's description, made from the routes themselves.
//!
//! An endpoint's `#[utoipa::path]` says what is its own. What follows from how it is made
//! is added here to all of them: what it can be refused with ([`refusals`]), and names
//! that generated clients are good with ([`names`]).

mod names;
mod queries;
mod refusals;

use std::{
    future::ready,
    sync::{Arc, OnceLock},
};

use axum::{Router, body::Bytes, http::header::CONTENT_TYPE, routing::get};
use serde_json::{Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

use super::error::{ApiError, Problem};

/// What the description says besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tributary",
        description = "Bridged Messenger chats as data. Times are RFC 3339 UTC with milliseconds, ids are \
                       UUIDv7; errors are `application/problem+json` (RFC 9457) with a stable `code`."
    ),
    servers((url = "/", description = "Where this description is served")),
    tags(
        (name = "conversations", description = "A viewer's chats and what is said in them"),
        (name = "messages", description = "Single messages"),
        (name = "search", description = "Finding messages"),
        (name = "media", description = "Files that came with messages, and pictures"),
        (name = "analytics", description = "Numbers about a viewer's chats"),
        (name = "export", description = "Everything of a viewer's, to take along"),
        (name = "messenger", description = "A viewer's own connections to Messenger"),
        (name = "account", description = "Everything of a viewer's at once"),
        (name = "stream", description = "What happens, as it happens"),
        (name = "manager", description = "For the desktop companion"),
        (name = "bridge", description = "For the bridges"),
        (name = "webhooks", description = "For Clerk"),
        (name = "admin", description = "For the operator; every call leaves an audit row"),
        (name = "health", description = "How Tributary is; needs no token"),
    ),
    paths(openapi),
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
        let ticket = "A ticket of `POST /api/media/tickets`";
        let ticket = ApiKey::Query(ApiKeyValue::with_description("ticket", ticket));
        components.add_security_scheme("ticket", SecurityScheme::ApiKey(ticket));
    }
}

/// The description as it is served, of what the routes say of themselves.
#[must_use]
pub fn document(described: &utoipa::openapi::OpenApi) -> Value {
    let mut document = json!(described);
    names::improve(&mut document);
    queries::clean(&mut document);
    refusals::add(&mut document);
    document
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health", operation_id = "get_description",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object),
        (status = 429, description = "Too often"),
        (status = 500, description = "Tributary's own fault")
    )
)]
fn openapi(document: &Value) -> Result<Bytes, ApiError> {
    let json = serde_json::to_vec(document).map_err(ApiError::internal)?;
    Ok(json.into())
}

/// Serves a description. It is written down once, when it is first asked for: see
/// [`endpoint`](super::endpoint).
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    described: impl Fn() -> utoipa::openapi::OpenApi + Clone + Send + Sync + 'static,
) -> Router<S> {
    let written = Arc::new(OnceLock::new());
    let answer = move || {
        let json = written.get_or_init(|| openapi(&document(&described())).ok());
        let json = json.clone();
        let json = json.ok_or_else(|| ApiError::Internal(anyhow::anyhow!("no description")));
        ready(json.map(|json| ([(CONTENT_TYPE, "application/json")], json)))
    };
    Router::new().route("/openapi.json", get(answer))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::{Body, to_bytes};
    use hyper::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn it_is_written_down_once_when_it_is_first_asked_for() {
        let made = Arc::new(AtomicUsize::new(0));
        let router = route::<()>({
            let made = Arc::clone(&made);
            move || {
                made.fetch_add(1, Ordering::Relaxed);
                Description::openapi()
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 0);
        let ask = async || {
            let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            to_bytes(answer.into_body(), usize::MAX).await.unwrap()
        };
        let (first, second) = (ask().await, ask().await);
        let read: Value = serde_json::from_slice(&first).unwrap();
        assert!(read["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}

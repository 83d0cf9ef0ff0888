//! `GET /openapi.json`: the API's description, made from the routes themselves.

use std::future::ready;

use axum::{Router, body::Bytes, http::header::CONTENT_TYPE, routing::get};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
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

/// Serves a description, as it stands when the router is built. It is written down once:
/// axum clones what a route holds for each request, also for one that is refused.
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    description: &utoipa::openapi::OpenApi,
) -> Router<S> {
    let json = description.to_json().map(Bytes::from).ok();
    let answer = move || {
        let json = json.clone();
        let json = json.ok_or_else(|| ApiError::Internal(anyhow::anyhow!("no description")));
        ready(json.map(|json| ([(CONTENT_TYPE, "application/json")], json)))
    };
    Router::new().route("/openapi.json", get(answer))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use hyper::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn it_is_written_down_once_for_all_requests() {
        let router = route::<()>(&Description::openapi());
        let ask = async || {
            let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            to_bytes(answer.into_body(), usize::MAX).await.unwrap()
        };
        let (first, second) = (ask().await, ask().await);
        assert!(first.starts_with(b"{\"openapi\":"));
        assert_eq!(first.as_ptr(), second.as_ptr());
    }
}

//! Which web pages may read the API's answers.
//!
//! Nothing here is guarded by cookies, so this protects no endpoint; it only tells
//! browsers which pages may use a key that they already have.

use std::time::Duration;

use axum::http::{
    HeaderName, HeaderValue, Method,
    header::{
        ACCEPT_RANGES, AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        RANGE, RETRY_AFTER,
    },
    request::Parts,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::trace::REQUEST_ID;

/// The desktop companion is an Electron program: its Origin is `null` or `file://`.
const OPEN_TO_ALL: &str = "/api/manager/";

/// How long a browser keeps the answer to a preflight.
const MAX_AGE: Duration = Duration::from_hours(1);

pub(super) fn layer(allowed_origins: &[String]) -> CorsLayer {
    let allowed: Vec<HeaderValue> = allowed_origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    let may_read = move |origin: &HeaderValue, request: &Parts| {
        request.uri.path().starts_with(OPEN_TO_ALL) || allowed.contains(origin)
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(may_read))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, RANGE])
        .expose_headers([
            ACCEPT_RANGES,
            CONTENT_DISPOSITION,
            CONTENT_RANGE,
            ETAG,
            RETRY_AFTER,
            HeaderName::from_static(REQUEST_ID),
        ])
        .max_age(MAX_AGE)
}

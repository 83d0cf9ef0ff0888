//! A span and a line for each request. They carry no query string and no header:
//! both may hold a token.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::model::new_id;

/// The response header by which a caller can name a request.
pub(super) const REQUEST_ID: &str = "x-request-id";

pub(super) async fn trace(request: Request, next: Next) -> Response {
    let id = new_id().to_string();
    let method = request.method().clone();
    // The route, not the path: its parameters may be Matrix ids.
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", %id, %method, path);
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = began.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, took_ms = took.as_millis(), "answered"));
    metrics::histogram!(
        "tributary_http_request_seconds",
        "method" => label(&method), "path" => path, "status" => status.to_string()
    )
    .record(took.as_secs_f64());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Anybody can make up a method; a metric must not have a series for each.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

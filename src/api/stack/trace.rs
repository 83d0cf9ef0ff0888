//! A span and a line for each request. They carry no query string and no header:
//! both may hold a token.

use std::{net::SocketAddr, time::Duration};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::slow;
use crate::{limits::address::Proxies, meters::meters, model::new_id};

/// The header by which a request is named, in the answer and in the log.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// The longest name that a proxy may give a request, in bytes.
const LONGEST_ID: usize = 64;
/// An answer that begins later than this is worth a line.
const SLOW: Duration = Duration::from_secs(5);

pub(super) async fn trace(proxies: Proxies, request: Request, next: Next) -> Response {
    let id = given_id(&proxies, &request).unwrap_or_else(|| new_id().to_string());
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
    span.in_scope(|| {
        let took_ms = took.as_millis();
        let line = (took >= SLOW).then(|| slow::LINES.next(Instant::now()));
        if let Some(Some(left_out)) = line {
            tracing::warn!(status, took_ms, left_out, "a slow request");
        } else {
            tracing::debug!(status, took_ms, "answered");
        }
    });
    let route = meters().requests.of(&path);
    route.answered(label(&method), status, took);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The name that a trusted proxy has given the request, so that its log and this one are
/// of one. What a stranger sends is no name: it would stand in the log beside ours.
fn given_id(proxies: &Proxies, request: &Request) -> Option<String> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    if !proxies.contain(peer.ip().to_canonical()) {
        return None;
    }
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_usable = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_name);
    is_usable.then(|| id.to_owned())
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

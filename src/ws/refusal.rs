//! What is answered instead of an upgrade: problem details (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{db, limits::TooMany};

/// Why there is no socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No token, or none that admits.
    #[error("no valid session token")]
    Unauthorized,
    /// A session that may not.
    #[error("this session may not")]
    Forbidden,
    /// A page that may not.
    #[error("this origin may not")]
    Origin,
    /// Not a WebSocket handshake.
    #[error("this is a WebSocket")]
    NoUpgrade,
    /// Another method than GET.
    #[error("this is a WebSocket")]
    Method,
    /// Too many requests.
    #[error("too many requests")]
    RateLimited(TooMany),
    /// This replica has no room for another socket.
    #[error("there are too many sockets at the moment")]
    Full,
    /// The database, Clerk's keys or Tributary itself is away.
    #[error("not available at the moment")]
    Unavailable,
}

/// RFC 9457 section 3.1, with a stable `code`.
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
}

impl Refusal {
    fn status(self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden | Self::Origin => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "invalid_request"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Full | Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let more = match self {
            Self::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::NoUpgrade => Some((header::UPGRADE, HeaderValue::from_static("websocket"))),
            Self::RateLimited(too_many) => {
                Some((header::RETRY_AFTER, too_many.whole_seconds().into()))
            }
            Self::Full => Some((header::RETRY_AFTER, HeaderValue::from_static("5"))),
            Self::Unavailable => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            Self::Forbidden | Self::Origin | Self::Method => None,
        };
        if let Some((name, value)) = more {
            headers.insert(name, value);
        }
        response
    }
}

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        Self::RateLimited(too_many)
    }
}

impl From<db::Error> for Refusal {
    fn from(error: db::Error) -> Self {
        tracing::warn!(%error, "a socket was refused: the database is away");
        Self::Unavailable
    }
}

//! RFC 9457 on the wire, and in the API's description.

use axum::{
    Extension, Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// The media type of an error.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error as it is sent (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// For people; may change.
    detail: String,
    /// For programs: `unauthorized`, `forbidden`, `not_found`, `method_not_allowed`,
    /// `invalid_request`, `conflict`, `request_timeout`, `payload_too_large`, `unsupported_media_type`,
    /// `rate_limited`, `unavailable` or `internal`.
    #[schema(example = "not_found")]
    code: &'static str,
}

/// The `code` of a refusal, on its response: for what comes after the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub &'static str);

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: String) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
            code,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = [(header::CONTENT_TYPE, CONTENT_TYPE)];
        (status, Extension(Code(self.code)), content_type, Json(self)).into_response()
    }
}

/// What any operation of the API may answer instead, for its description.
#[derive(IntoResponses)]
pub enum Refusals {
    /// The request is not one (`invalid_request`).
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// No key or session, or none that is known (`unauthorized`).
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// A known caller who may not (`forbidden`).
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// It does not exist, or is not the caller's (`not_found`).
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// It contradicts what is (`conflict`).
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body did not arrive in time (`request_timeout`).
    #[response(status = 408, content_type = "application/problem+json")]
    TimedOut(Problem),
    /// The body is too long (`payload_too_large`).
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not JSON (`unsupported_media_type`).
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
    /// Too often; see `Retry-After` (`rate_limited`).
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// Tributary's own fault (`internal`).
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Not now; see `Retry-After` (`unavailable`).
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

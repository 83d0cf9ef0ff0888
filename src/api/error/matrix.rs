//! The errors that the homeserver is answered with (Matrix client-server API,
//! "Standard error response").

use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{RETRY_SOON, retry_after};

/// A Matrix error: a status, an `errcode` and a text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixError {
    status: StatusCode,
    errcode: &'static str,
    error: &'static str,
    retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Body {
    errcode: &'static str,
    error: &'static str,
}

impl MatrixError {
    /// 401: no token.
    pub const UNAUTHORIZED: Self =
        Self::new(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED", "No hs_token");
    /// 403: another token.
    pub const FORBIDDEN: Self = Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", "Wrong hs_token");
    /// 404: no such user or alias.
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", "Not found");
    /// 404: no such path.
    pub const UNRECOGNIZED: Self = Self::new(
        StatusCode::NOT_FOUND,
        "M_UNRECOGNIZED",
        "Unrecognized request",
    );
    /// 405: the path exists, for another method.
    pub const METHOD: Self = Self::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "M_UNRECOGNIZED",
        "Unrecognized method",
    );
    /// 413: the body is longer than any transaction.
    pub const TOO_LARGE: Self = Self::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "M_TOO_LARGE",
        "The body is too large",
    );
    /// 400: not JSON.
    pub const NOT_JSON: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "M_NOT_JSON",
        "The body is not JSON",
    );
    /// 400: JSON of another shape.
    pub const BAD_JSON: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "M_BAD_JSON",
        "The body has another shape",
    );
    /// 400: a part of the path is not what it should be.
    pub const INVALID_PARAM: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "M_INVALID_PARAM",
        "An invalid parameter",
    );
    /// 503: not now; nothing of the request was kept.
    pub const UNAVAILABLE: Self = Self {
        retry_after: Some(RETRY_SOON),
        ..Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "M_UNKNOWN",
            "Not available, try again",
        )
    };

    const fn new(status: StatusCode, errcode: &'static str, error: &'static str) -> Self {
        Self {
            status,
            errcode,
            error,
            retry_after: None,
        }
    }
}

impl IntoResponse for MatrixError {
    fn into_response(self) -> Response {
        let body = Json(Body {
            errcode: self.errcode,
            error: self.error,
        });
        let mut response = (self.status, body).into_response();
        if let Some(wait) = self.retry_after {
            retry_after(response.headers_mut(), wait);
        }
        response
    }
}

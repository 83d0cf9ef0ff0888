//! The errors of Tributary's own API.

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_RANGE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use super::{NoFile, Problem, RETRY_SOON, retry_after};
use crate::{
    accounts::{self, Refused},
    auth::clerk::{KEYS_UNAVAILABLE, Refusal},
    db,
    limits::TooMany,
    operator,
};

/// Why an endpoint of Tributary's own API does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 401: nobody, or nobody known. The text may name what is wrong, never the token.
    #[error("unauthorized: {0}")]
    Unauthorized(&'static str),
    /// 403: somebody known, who may not.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// 404: it does not exist, or is not the caller's, which is the same.
    #[error("not found")]
    NotFound,
    /// 404: a link code that is wrong, used or too old, which is the same.
    #[error("no such code")]
    NoSuchCode,
    /// 404: the caller's own file, of which nothing can be sent.
    #[error("no file: {}", .0.code())]
    NoFile(NoFile),
    /// 405: the path exists, for another method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// 400: the request is not one. The text must not repeat what the caller sent.
    #[error("invalid request: {0}")]
    Invalid(Cow<'static, str>),
    /// 409: it contradicts what is.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// 408: the body did not arrive in time.
    #[error("request timeout")]
    TimedOut,
    /// 413: the body is longer than this endpoint reads.
    #[error("payload too large")]
    TooLarge,
    /// 416: the part that is asked for begins behind the end; the file has so many bytes.
    #[error("range not satisfiable")]
    RangeNotSatisfiable(u64),
    /// 415: the body is not said to be JSON.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// 429: too often; may be asked again after this long.
    #[error("rate limited")]
    RateLimited(Duration),
    /// 503: not now. The text says what is missing.
    #[error("unavailable: {0}")]
    Unavailable(&'static str),
    /// 500: Tributary's own fault. Logged, and never told.
    #[error("internal: {0:#}")]
    Internal(anyhow::Error),
}

impl ApiError {
    /// A request that is not one; the text must not repeat what the caller sent.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(detail.into())
    }

    /// Tributary's own fault.
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self::Internal(error.into())
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchCode | Self::NoFile(_) => StatusCode::NOT_FOUND,
            Self::RangeNotSatisfiable(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word that programs compare.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound | Self::NoSuchCode => "not_found",
            Self::NoFile(why) => why.code(),
            Self::RangeNotSatisfiable(_) => "range_not_satisfiable",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Invalid(_) => "invalid_request",
            Self::Conflict(_) => "conflict",
            Self::TimedOut => "request_timeout",
            Self::TooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// For people; what it says may change.
    pub(super) fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Unauthorized(detail)
            | Self::Forbidden(detail)
            | Self::Conflict(detail)
            | Self::Unavailable(detail) => Cow::Borrowed(detail),
            Self::Invalid(detail) => detail.clone(),
            Self::NotFound => "there is no such thing, or it is not yours".into(),
            Self::NoSuchCode => "the code is wrong, used or expired".into(),
            Self::NoFile(why) => why.detail().into(),
            Self::RangeNotSatisfiable(_) => "the file ends before that".into(),
            Self::MethodNotAllowed => "this path takes other methods".into(),
            Self::TimedOut => "the body took too long to arrive".into(),
            Self::TooLarge => "the body is too long".into(),
            Self::UnsupportedMediaType => "the body has to be application/json".into(),
            Self::RateLimited(_) => "too many requests".into(),
            Self::Internal(_) => "something went wrong here; it has been logged".into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(error = format!("{error:#}"), "a request failed");
        }
        let problem = Problem::new(self.status(), self.code(), self.detail().into_owned());
        let mut response = problem.into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of the body is not waited for.
            Self::TimedOut => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::RateLimited(wait) => retry_after(headers, wait),
            Self::Unavailable(_) => retry_after(headers, RETRY_SOON),
            Self::NoFile(why) => {
                // It may be there with the next request.
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                if why == NoFile::Pending {
                    retry_after(headers, RETRY_SOON);
                }
            }
            Self::RangeNotSatisfiable(length) => {
                if let Ok(range) = HeaderValue::try_from(format!("bytes */{length}")) {
                    headers.insert(CONTENT_RANGE, range);
                }
            }
            _ => {}
        }
        response
    }
}

impl From<accounts::Error> for ApiError {
    fn from(error: accounts::Error) -> Self {
        match error {
            accounts::Error::Refused(refused) => refused.into(),
            accounts::Error::Database(error) => error.into(),
        }
    }
}

impl From<operator::Error> for ApiError {
    fn from(error: operator::Error) -> Self {
        match error {
            operator::Error::NotFound => Self::NotFound,
            operator::Error::Conflict(why) => Self::Conflict(why),
            operator::Error::Database(error) => error.into(),
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(reason) => Self::invalid(reason),
            Refused::Forbidden(reason) => Self::Forbidden(reason),
            Refused::NotFound(_) => Self::NotFound,
            Refused::Taken => Self::Conflict("the account is linked to somebody else"),
            Refused::Deleted => Self::Unauthorized("the user has been deleted"),
            Refused::TooManyTries { retry_after } | Refused::TooManyReports { retry_after } => {
                Self::RateLimited(retry_after)
            }
            Refused::Unavailable(what) => Self::Unavailable(what),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized(KEYS_UNAVAILABLE) => {
                Self::Unavailable("session tokens can't be checked at the moment")
            }
            Refusal::Unauthorized(reason) => Self::Unauthorized(reason),
            Refusal::Forbidden(reason) => Self::Forbidden(reason),
        }
    }
}

impl From<TooMany> for ApiError {
    fn from(TooMany { retry_after }: TooMany) -> Self {
        Self::RateLimited(retry_after)
    }
}

impl From<db::Error> for ApiError {
    fn from(error: db::Error) -> Self {
        if error.is_outage() {
            tracing::warn!(%error, "the database is not available");
            Self::Unavailable("the database is not available")
        } else {
            Self::Internal(error.into())
        }
    }
}

impl From<db::QueryError> for ApiError {
    fn from(error: db::QueryError) -> Self {
        db::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::Response};
    use serde_json::{Value, json};

    use super::*;

    async fn answer(error: ApiError) -> (Response<()>, Value) {
        let (parts, body) = error.into_response().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let problem = serde_json::from_slice(&body).unwrap();
        (Response::from_parts(parts, ()), problem)
    }

    #[tokio::test]
    async fn what_went_wrong_inside_stays_inside() {
        let inside = anyhow::anyhow!("SELECT secret FROM /etc/passwd");
        let (response, problem) = answer(ApiError::Internal(inside)).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let expected = json!({
            "type": "about:blank", "title": "Internal Server Error", "status": 500,
            "code": "internal", "detail": "something went wrong here; it has been logged",
        });
        assert_eq!(problem, expected);
    }

    #[tokio::test]
    async fn whoever_may_come_again_is_told_when() {
        for (error, wait) in [
            (ApiError::RateLimited(Duration::from_millis(1001)), "2"),
            (ApiError::RateLimited(Duration::ZERO), "1"),
            (ApiError::Unavailable("x"), "5"),
        ] {
            let (response, _) = answer(error).await;
            assert_eq!(response.headers()["retry-after"], wait);
        }
    }

    #[test]
    fn only_an_outage_is_worth_another_try() {
        use db::QueryError;
        let outage = ApiError::from(db::Error::from(db::Trouble::passing("refused")));
        assert_eq!(outage.code(), "unavailable");
        assert_eq!(ApiError::from(QueryError::NotFound).code(), "internal");
        assert_eq!(
            ApiError::from(QueryError::BrokenTransactionManager).code(),
            "unavailable"
        );
    }

    #[test]
    fn keys_that_cannot_be_had_are_no_refusal() {
        for (refusal, code) in [
            (Refusal::Unauthorized(KEYS_UNAVAILABLE), "unavailable"),
            (Refusal::Unauthorized("exp"), "unauthorized"),
            (Refusal::Forbidden("sts"), "forbidden"),
        ] {
            assert_eq!(ApiError::from(refusal).code(), code);
        }
    }
}

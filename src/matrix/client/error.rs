//! What a call to the homeserver can end with, and whether to try again.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use hyper::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

/// Why a call failed. No variant carries a URL, a token or a body.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer, or only a part of one.
    #[error("the homeserver cannot be reached: {0}")]
    Unreachable(String),
    /// 429, with what the homeserver asked to wait, if it did.
    #[error("the homeserver limits the rate of requests")]
    RateLimited {
        /// From `retry_after_ms` and `Retry-After`, the longer of both.
        retry_after: Option<Duration>,
    },
    /// 403 `M_FORBIDDEN`: outside the namespace, or not in the room.
    #[error("the homeserver forbids it")]
    Forbidden,
    /// 404 `M_NOT_FOUND`.
    #[error("the homeserver does not know it")]
    NotFound,
    /// 401: the homeserver does not take the `as_token`.
    #[error("the homeserver does not accept the as_token")]
    UnknownToken,
    /// Any other answer that is no success. Without an errcode it was not a
    /// homeserver that answered, but something in front of it.
    #[error("the homeserver answered {status}{}", .errcode.as_deref().map(|e| format!(" {e}")).unwrap_or_default())]
    Matrix {
        /// The HTTP status.
        status: u16,
        /// The `errcode`.
        errcode: Option<String>,
    },
    /// 502 `M_BAD_STATUS`: the homeserver's ping arrived somewhere, and was not answered
    /// with 200 (application service API, "Pinging").
    #[error("the homeserver's ping was answered with {status}")]
    PingRefused {
        /// What the homeserver was answered.
        status: u16,
    },
    /// A success whose body is not what the specification says.
    #[error("the homeserver's answer cannot be understood")]
    Malformed,
    /// A success that is longer than what we read. Asking for less may help.
    #[error("the homeserver's answer is longer than {max_bytes} bytes")]
    TooLarge {
        /// The cap.
        max_bytes: usize,
    },
    /// What was to be asked cannot be asked, for example with an id that is none.
    #[error("not a valid {0}")]
    Invalid(&'static str),
}

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Again after this time: the homeserver asked for it.
    After(Duration),
    /// Again, after a pause of the caller's choice.
    Later,
    /// The same request gets the same answer.
    No,
}

impl ClientError {
    /// Whether the same request may succeed later. It may where an operator has
    /// to repair something first (a token, a proxy): work should outlast that.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::RateLimited {
                retry_after: Some(pause),
            } => Retry::After(*pause),
            Self::Unreachable(_)
            | Self::RateLimited { retry_after: None }
            | Self::UnknownToken
            | Self::PingRefused { .. }
            | Self::Malformed
            | Self::Matrix { errcode: None, .. }
            | Self::Matrix {
                status: 408 | 500..,
                ..
            } => Retry::Later,
            Self::Forbidden
            | Self::NotFound
            | Self::Matrix { .. }
            | Self::TooLarge { .. }
            | Self::Invalid(_) => Retry::No,
        }
    }
}

impl ClientError {
    /// It in a word: whose fault it is, as far as one can tell.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::RateLimited { .. } => "limited",
            Self::Malformed | Self::PingRefused { .. } | Self::Matrix { status: 500.., .. } => {
                "failed"
            }
            Self::Forbidden
            | Self::NotFound
            | Self::UnknownToken
            | Self::Matrix { .. }
            | Self::TooLarge { .. }
            | Self::Invalid(_) => "refused",
        }
    }
}

/// Longer is a mistake or malice, and would park a job for ever.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// `standard error response` of the client-server API, section 1.
#[derive(Default, Deserialize)]
struct MatrixError {
    errcode: Option<String>,
    #[serde(default)]
    retry_after_ms: Value,
    /// Of `M_BAD_STATUS` alone.
    #[serde(default)]
    status: Value,
}

pub(super) fn from_response(response: &Response<Bytes>) -> ClientError {
    let body: MatrixError = serde_json::from_slice(response.body()).unwrap_or_default();
    let errcode = body.errcode.filter(|code| is_errcode(code));
    let answered = body.status.as_u64().and_then(|n| u16::try_from(n).ok());
    match (response.status(), errcode.as_deref()) {
        (StatusCode::TOO_MANY_REQUESTS, _) => ClientError::RateLimited {
            retry_after: in_body(&body.retry_after_ms).max(in_header(response)),
        },
        (StatusCode::UNAUTHORIZED, _) => ClientError::UnknownToken,
        (StatusCode::FORBIDDEN, Some("M_FORBIDDEN")) => ClientError::Forbidden,
        (StatusCode::NOT_FOUND, Some("M_NOT_FOUND")) => ClientError::NotFound,
        (StatusCode::BAD_GATEWAY, Some("M_BAD_STATUS")) if answered.is_some() => {
            ClientError::PingRefused {
                status: answered.unwrap_or_default(),
            }
        }
        (status, _) => ClientError::Matrix {
            status: status.as_u16(),
            errcode,
        },
    }
}

/// The causes in words: hyper names neither the URL nor a header in them.
pub(super) fn unreachable(error: &(dyn Error + 'static)) -> ClientError {
    let causes = std::iter::successors(Some(error), |&e| e.source()).map(ToString::to_string);
    ClientError::Unreachable(causes.collect::<Vec<_>>().join(": "))
}

/// It goes to logs and job rows, so it must look like one.
fn is_errcode(code: &str) -> bool {
    code.len() <= 64
        && code
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn in_body(millis: &Value) -> Option<Duration> {
    let pause = Duration::try_from_secs_f64(millis.as_f64()? / 1000.0).ok()?;
    Some(pause.min(MAX_RETRY_AFTER))
}

/// Seconds only: homeservers and rate limiters write those, never the date form.
fn in_header(response: &Response<Bytes>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = value.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

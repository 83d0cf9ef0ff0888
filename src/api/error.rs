//! What callers are refused with, and which type belongs where:
//!
//! - [`ApiError`]: every endpoint of Tributary's own API. It answers
//!   `application/problem+json` (RFC 9457) with a stable `code`.
//! - [`MatrixError`]: what the homeserver calls, under `/_matrix` and the legacy
//!   paths. It answers `{"errcode","error"}`.
//!
//! Failures that are nobody's refusal are logged here, once, with what they are,
//! and answered without it: no error text carries a token, SQL or a path.

mod api;
mod described;
mod matrix;
mod no_file;
mod problem;

pub(in crate::api) use self::described::{Described, described};
pub use self::{
    api::ApiError,
    described::{Conflicts, Forbids, Refusals, Unknown},
    matrix::MatrixError,
    no_file::NoFile,
    problem::{CONTENT_TYPE, Code, Problem},
};

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

/// When a caller may try again after an outage, in seconds.
const RETRY_SOON: Duration = Duration::from_secs(5);

/// Says when to come back: whole seconds, rounded up.
fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

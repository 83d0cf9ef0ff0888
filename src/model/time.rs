//! Times on the wire: RFC 3339, UTC, milliseconds.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// A time as it is sent.
#[must_use]
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serialises a time with milliseconds.
///
/// # Errors
///
/// When the serializer fails.
pub fn milliseconds<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*time))
}

/// Serialises a time that may be missing.
///
/// # Errors
///
/// When the serializer fails.
pub fn milliseconds_opt<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => milliseconds(time, to),
        None => to.serialize_none(),
    }
}

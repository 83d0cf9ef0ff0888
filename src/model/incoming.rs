//! An event as Tributary takes it in, after decoding and before folding.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// One room event, from a push or from `/messages`, with everything hostile
/// about its envelope already dealt with.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEvent {
    /// `event_id`, 1 to 255 bytes.
    pub event_id: String,
    /// `room_id`, 1 to 255 bytes.
    pub room_id: String,
    /// `sender`, 1 to 255 bytes.
    pub sender: String,
    /// `type`.
    pub kind: String,
    /// `state_key`; an event that has one is a state event.
    pub state_key: Option<String>,
    /// Milliseconds since 1970, as the sender's server claimed: orders, is not shown.
    pub origin_server_ts: i64,
    /// When the homeserver received it; strictly rising within a batch.
    pub received_at: DateTime<Utc>,
    /// Whether it reached the homeserver more than ten minutes after its own time, by what was
    /// said of its receipt before that was made to rise.
    pub is_historical: bool,
    /// `content`, without U+0000.
    pub content: Map<String, Value>,
    /// The target of an `m.room.redaction`, from the top level or the content.
    pub redacts: Option<String>,
    /// `unsigned.replaces_state`.
    pub replaces_state: Option<String>,
    /// `unsigned.redacted_because`: the homeserver handed it out pruned.
    pub redacted_because: Option<RedactedBecause>,
}

/// What is known of the redaction that pruned an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactedBecause {
    /// The redaction's event id.
    pub event_id: String,
    /// Who redacted.
    pub sender: String,
    /// Milliseconds since 1970.
    pub origin_server_ts: i64,
}

/// A message is historical when it reached the homeserver later than this after its own time.
const HISTORICAL_AFTER_MS: i64 = 10 * 60 * 1000;
/// 2200-01-01T00:00:00Z in milliseconds.
const YEAR_2200_MS: i64 = 7_258_118_400_000;

impl IncomingEvent {
    /// The time to show: `origin_server_ts`, or the receipt for one outside 1970..2200.
    #[must_use]
    pub fn timestamp(&self) -> DateTime<Utc> {
        shown_time(self.origin_server_ts, self.received_at)
    }
}

/// Whether what has this `origin_server_ts` reached the homeserver more than ten minutes after it.
#[must_use]
pub fn is_historical(origin_server_ts: i64, received_at: DateTime<Utc>) -> bool {
    let received = received_at.timestamp_millis();
    received.saturating_sub(origin_server_ts) > HISTORICAL_AFTER_MS
}

/// `origin_server_ts` as a time, or `received_at` for one outside 1970..2200.
#[must_use]
pub fn shown_time(origin_server_ts: i64, received_at: DateTime<Utc>) -> DateTime<Utc> {
    if (0..YEAR_2200_MS).contains(&origin_server_ts) {
        DateTime::from_timestamp_millis(origin_server_ts).unwrap_or(received_at)
    } else {
        received_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    #[test]
    fn an_absurd_time_is_shown_as_the_receipt() {
        let received = at(1_790_000_000_000);
        for absurd in [i64::MIN, -1, YEAR_2200_MS, i64::MAX] {
            assert_eq!(shown_time(absurd, received), received, "{absurd}");
        }
        assert_eq!(shown_time(0, received), at(0));
        assert_eq!(shown_time(YEAR_2200_MS - 1, received), at(YEAR_2200_MS - 1));
    }
}

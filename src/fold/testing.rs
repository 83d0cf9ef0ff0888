//! Events for tests.

use chrono::DateTime;
use serde_json::Value;

use crate::model::incoming::{IncomingEvent, RedactedBecause};

/// A timeline event of `@a:b`, received a second after its own time.
pub(super) fn event(kind: &str, content: &Value) -> IncomingEvent {
    IncomingEvent {
        event_id: "$e".into(),
        room_id: "!r".into(),
        sender: "@a:b".into(),
        kind: kind.into(),
        state_key: None,
        origin_server_ts: 1_790_000_000_000,
        received_at: DateTime::from_timestamp_millis(1_790_000_001_000).unwrap(),
        is_historical: false,
        content: content.as_object().unwrap().clone(),
        redacts: None,
        replaces_state: None,
        redacted_because: None,
    }
}

/// The same event, as the homeserver hands it out once it is redacted.
pub(super) fn pruned(mut event: IncomingEvent) -> IncomingEvent {
    event.content.clear();
    event.redacted_because = Some(RedactedBecause {
        event_id: "$redaction".into(),
        sender: "@a:b".into(),
        origin_server_ts: 1_790_000_002_000,
    });
    event
}

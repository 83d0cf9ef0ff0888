//! What became of a batch's events, to be counted when it is committed.

use chrono::{DateTime, Utc};

use super::Stored;
use crate::{
    meters::{EventKind, EventOutcome, meters},
    model::incoming::IncomingEvent,
};

const KINDS: [EventKind; 6] = [
    EventKind::Message,
    EventKind::Edit,
    EventKind::Reaction,
    EventKind::Redaction,
    EventKind::State,
    EventKind::Other,
];
const OUTCOMES: [EventOutcome; 3] = [
    EventOutcome::Folded,
    EventOutcome::Elsewhere,
    EventOutcome::Bad,
];

/// Events by kind and outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally([[u32; OUTCOMES.len()]; KINDS.len()]);

impl Tally {
    pub(super) fn add(&mut self, kind: EventKind, outcome: EventOutcome, count: usize) {
        self.0[kind as usize][outcome as usize] += u32::try_from(count).unwrap_or(u32::MAX);
    }

    pub(super) fn extend(&mut self, other: Self) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            for (mine, other) in mine.iter_mut().zip(others) {
                *mine += other;
            }
        }
    }

    fn count(&self) {
        for (kind, row) in KINDS.into_iter().zip(self.0) {
            for (outcome, count) in OUTCOMES.into_iter().zip(row) {
                meters().count_events(kind, outcome, count.into());
            }
        }
    }
}

/// What an event is, by its envelope.
pub(super) fn kind(event: &IncomingEvent) -> EventKind {
    if event.state_key.is_some() {
        return EventKind::State;
    }
    match event.kind.as_str() {
        "m.room.message" | "m.sticker" | "m.room.encrypted" | "m.location" => {
            let relation = event.content.get("m.relates_to");
            match relation.and_then(|relation| relation.get("rel_type")?.as_str()) {
                Some("m.replace") => EventKind::Edit,
                _ => EventKind::Message,
            }
        }
        "m.reaction" => EventKind::Reaction,
        "m.room.redaction" => EventKind::Redaction,
        _ => EventKind::Other,
    }
}

impl Stored {
    /// Counts it. To be called once that it is committed.
    pub fn count(&self) {
        let meters = meters();
        self.tally.count();
        let new = [
            ("message", self.new_messages),
            ("relation", self.new_relations),
            ("redaction", self.new_redactions),
        ];
        for (kind, count) in new {
            meters.new_events.of(kind).increment(count as u64);
        }
        meters.dead_letters.increment(self.dead_letters as u64);
    }

    /// Measures how long ago the homeserver received what has just been committed.
    pub(super) fn measure(&self, now: DateTime<Utc>) {
        if let Some(received_at) = self.live {
            let lag = (now - received_at).to_std().unwrap_or_default();
            meters().receipt_to_commit_seconds.record(lag);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::matrix::decode;

    #[test]
    fn an_event_is_what_its_envelope_says() {
        let edit = json!({"m.relates_to": {"rel_type": "m.replace", "event_id": "$e"}});
        for (event_type, content, state_key, expected) in [
            ("m.room.message", json!({}), None, EventKind::Message),
            ("m.sticker", json!({}), None, EventKind::Message),
            ("m.room.message", edit, None, EventKind::Edit),
            ("m.reaction", json!({}), None, EventKind::Reaction),
            ("m.room.redaction", json!({}), None, EventKind::Redaction),
            ("m.room.message", json!({}), Some(""), EventKind::State),
            ("com.example.poll", json!({}), None, EventKind::Other),
        ] {
            let mut event = json!({"type": event_type, "content": content, "event_id": "$1",
                "room_id": "!r:lab", "sender": "@a:lab", "origin_server_ts": 1});
            if let Some(state_key) = state_key {
                event["state_key"] = Value::from(state_key);
            }
            let raw = serde_json::value::to_raw_value(&event).unwrap();
            let event = decode::decode(&raw, None, DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(kind(&event), expected, "{event_type}");
        }
    }
}

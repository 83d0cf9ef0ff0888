//! Reactions (specification, "Event annotations and reactions").

use serde_json::Value;

use super::{Unfoldable, event_id, relation};
use crate::model::{change::Reaction, incoming::IncomingEvent};

/// What is longer is no emoji, and each reader of the message would have to load it.
const MAX_KEY_BYTES: usize = 1024;

/// The reaction that an event is; none for a pruned one, which has lost its target.
///
/// # Errors
///
/// [`Unfoldable`] when it does not say to what, or with what.
pub fn fold(event: &IncomingEvent) -> Result<Option<Reaction>, Unfoldable> {
    let Some(relation) = relation(event, "m.annotation") else {
        return if event.redacted_because.is_some() {
            Ok(None)
        } else {
            Err(Unfoldable("a reaction to nothing"))
        };
    };
    let key = relation.get("key").and_then(Value::as_str);
    Ok(Some(Reaction {
        event_id: event.event_id.clone(),
        room_id: event.room_id.clone(),
        sender: event.sender.clone(),
        target: event_id(relation.get("event_id")).ok_or(Unfoldable("a reaction to nothing"))?,
        key: key
            .filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()))
            .ok_or(Unfoldable("a reaction without a key of at most 1024 bytes"))?
            .to_owned(),
        origin_server_ts: event.origin_server_ts,
        timestamp: event.timestamp(),
        received_at: event.received_at,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::event, *};

    #[test]
    fn it_says_to_what_and_with_what() {
        let content = json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$m", "key": "\u{1F44D}"}});
        let reaction = fold(&event("m.reaction", &content)).unwrap().unwrap();
        assert_eq!(
            (reaction.target.as_str(), reaction.key.as_str()),
            ("$m", "\u{1F44D}")
        );
    }

    #[test]
    fn what_says_too_little_cannot_be_folded() {
        for relation in [
            json!(null),
            json!({"rel_type": "m.reference", "event_id": "$m", "key": "a"}),
            json!({"rel_type": "m.annotation", "event_id": "$m"}),
            json!({"rel_type": "m.annotation", "event_id": "$m", "key": ""}),
            json!({"rel_type": "m.annotation", "event_id": "$m", "key": 5}),
            json!({"rel_type": "m.annotation", "event_id": "$m", "key": "k".repeat(MAX_KEY_BYTES + 1)}),
            json!({"rel_type": "m.annotation", "event_id": "", "key": "a"}),
            json!({"rel_type": "m.annotation", "key": "a"}),
        ] {
            let content = json!({"m.relates_to": relation});
            assert!(fold(&event("m.reaction", &content)).is_err(), "{content}");
        }
    }
}

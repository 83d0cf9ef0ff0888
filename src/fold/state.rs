//! Room state: who is in the room, what it is called, which portal it is.

use serde_json::Value;

use super::{MAX_ID_BYTES, Unfoldable};
use crate::model::{change::State, incoming::IncomingEvent};

/// The types of state that are kept.
const KEPT: [&str; 9] = [
    "io.element.functional_members",
    "m.bridge",
    "m.room.avatar",
    "m.room.create",
    "m.room.member",
    "m.room.name",
    "m.room.tombstone",
    "m.room.topic",
    "uk.half-shot.bridge",
];

/// Whether state of this type is kept.
#[must_use]
pub fn is_kept(kind: &str) -> bool {
    KEPT.contains(&kind)
}

/// Whether state of this type can change which conversation a room is, or for whom.
#[must_use]
pub fn decides_mapping(kind: &str) -> bool {
    matches!(
        kind,
        "m.bridge" | "uk.half-shot.bridge" | "m.room.create" | "m.room.member" | "m.room.tombstone"
    )
}

/// The state event as a fact.
///
/// # Errors
///
/// [`Unfoldable`] for a member event without a `membership` that may be one: access
/// hangs on it, and an index holds it.
pub fn fold(event: &IncomingEvent, state_key: &str) -> Result<State, Unfoldable> {
    let membership = event.content.get("membership").and_then(Value::as_str);
    let is_membership = membership.is_some_and(|membership| membership.len() <= MAX_ID_BYTES);
    if event.kind == "m.room.member" && !is_membership {
        return Err(Unfoldable("a member event without a membership"));
    }
    Ok(State {
        event_id: event.event_id.clone(),
        room_id: event.room_id.clone(),
        kind: event.kind.clone(),
        state_key: state_key.to_owned(),
        sender: event.sender.clone(),
        origin_server_ts: event.origin_server_ts,
        received_at: event.received_at,
        replaces_state: event.replaces_state.clone(),
        content: Value::Object(event.content.clone()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::event, *};

    #[test]
    fn a_member_is_somebody_by_a_word_that_an_index_can_hold() {
        let folds = |membership: Value| {
            let content = json!({"membership": membership});
            fold(&event("m.room.member", &content), "@a:b").is_ok()
        };
        assert!(folds(json!("join")) && folds(json!("x".repeat(MAX_ID_BYTES))));
        for nonsense in [
            json!(null),
            json!(["join"]),
            json!("x".repeat(MAX_ID_BYTES + 1)),
        ] {
            assert!(!folds(nonsense));
        }
    }
}

//! Reactions (specification, "Event annotations and reactions").

use serde_json::Value;

use super::{Unfoldable, event_id, relation};
use crate::model::{change::Reaction, incoming::IncomingEvent};

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
            .filter(|key| !key.is_empty())
            .ok_or(Unfoldable("a reaction without a key"))?
            .to_owned(),
        origin_server_ts: event.origin_server_ts,
        timestamp: event.timestamp(),
        received_at: event.received_at,
    }))
}

//! Redactions (specification, "Redactions"): permanent, whether they come before
//! their target, after it, or as the pruned target alone.

use super::Unfoldable;
use crate::model::{
    change::Redaction,
    incoming::{IncomingEvent, shown_time},
};

/// The redaction that an `m.room.redaction` is; none when it was itself redacted.
///
/// # Errors
///
/// [`Unfoldable`] when it does not say what it redacts.
pub fn fold(event: &IncomingEvent) -> Result<Option<Redaction>, Unfoldable> {
    match (&event.redacts, &event.redacted_because) {
        (Some(redacts), _) => Ok(Some(Redaction {
            event_id: event.event_id.clone(),
            room_id: event.room_id.clone(),
            redacts: redacts.clone(),
            sender: event.sender.clone(),
            origin_server_ts: event.origin_server_ts,
            timestamp: event.timestamp(),
        })),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(Unfoldable("a redaction of nothing")),
    }
}

/// The redaction that a pruned event speaks of.
#[must_use]
pub fn of_pruned(event: &IncomingEvent) -> Option<Redaction> {
    let because = event.redacted_because.as_ref()?;
    Some(Redaction {
        event_id: because.event_id.clone(),
        room_id: event.room_id.clone(),
        redacts: event.event_id.clone(),
        sender: because.sender.clone(),
        origin_server_ts: because.origin_server_ts,
        timestamp: shown_time(because.origin_server_ts, event.received_at),
    })
}

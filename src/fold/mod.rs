//! PURE: what an incoming event changes. No tokio, no diesel, no axum, no clock.
//!
//! 'I see values, I return changes, I may not await.' One file per kind of event:
//!
//! | event | facts | file |
//! | --- | --- | --- |
//! | `m.room.message`, `m.sticker`, `m.room.encrypted` | a message | [`message`] |
//! | `m.room.redaction`, anything with `redacted_because` | a redaction | [`redaction`] |
//! | `m.room.member`, `.name`, `.topic`, `.avatar`, `m.bridge`, ... | a state event | [`state`] |
//! | `m.replace` (edits), `m.reaction`, anything else | nothing yet | |
//!
//! The facts commute: they are keyed by event id, and the database joins them.

pub mod message;
pub mod redaction;
pub mod state;

use crate::model::{change::Change, incoming::IncomingEvent};

/// The version of this fold. When it rises, rooms that an older version filled
/// are walked again, so that what it dropped comes in.
pub const VERSION: i32 = 1;

/// An event of a known kind whose content is not what that kind promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfoldable(pub &'static str);

/// What an event changes; nothing for a kind that Tributary has no use for.
///
/// # Errors
///
/// [`Unfoldable`] when the content of a known kind has the wrong types.
pub fn fold(event: &IncomingEvent) -> Result<Vec<Change>, Unfoldable> {
    let mut changes = Vec::new();
    match (event.kind.as_str(), &event.state_key) {
        (kind, Some(state_key)) if state::is_kept(kind) => {
            changes.push(Change::State(state::fold(event, state_key)?));
        }
        (kind, None) if message::is_message(kind) => {
            changes.extend(message::fold(event)?.map(Change::Message));
        }
        ("m.room.redaction", None) => {
            changes.extend(redaction::fold(event)?.map(Change::Redaction));
        }
        _ => {}
    }
    changes.extend(redaction::of_pruned(event).map(Change::Redaction));
    Ok(changes)
}

//! PURE: what an incoming event changes. No tokio, no diesel, no axum, no clock.
//!
//! 'I see values, I return changes, I may not await.' One file per kind of event;
//! the tests are beside the code, and `tests/it/order` holds that order, repetition
//! and batching are of no consequence.
//!
//! | event | facts | file |
//! | --- | --- | --- |
//! | `m.room.message`, `m.sticker`, `m.location`, any event with an extensible text (polls, ...) | a message, its file with it | [`message`], [`extensible`], [`attachment`], [`html`] |
//! | `m.room.encrypted` | a message that nobody can read | [`message`] |
//! | one of these with `m.replace` | an edit: a version of another message | [`edit`] |
//! | `m.reaction` | a reaction | [`reaction`] |
//! | `m.room.redaction`, anything with `redacted_because` | a redaction | [`redaction`] |
//! | `m.room.member`, `.name`, `.topic`, `.avatar`, `m.bridge`, ... | a state event | [`state`] |
//! | anything else | nothing | |
//!
//! What a known kind promises and an event does not keep makes it [`Unfoldable`]:
//! a dead letter, and an edit that shows nothing where it says that it is one. The facts commute: they are keyed by event id, and the database
//! joins them. Who wins where two facts speak of the same thing:
//!
//! | of | wins |
//! | --- | --- |
//! | versions of a message, of its sender and type | the greatest `origin_server_ts`, then event id |
//! | reactions of one sender with one key | all of them are one |
//! | state of one type and key | the one that no other replaces, then the greatest `origin_server_ts`, then event id |
//! | redactions of one event | all of them; the first one's time is shown |

pub mod attachment;
pub mod edit;
pub mod extensible;
pub mod html;
pub mod message;
pub mod reaction;
pub mod redaction;
pub mod state;
#[cfg(test)]
mod testing;

use serde_json::Value;

use crate::model::{change::Change, incoming::IncomingEvent};

/// The version of this fold. When it rises, rooms that an older version filled
/// are walked again, so that what it dropped comes in.
pub const VERSION: i32 = 4;

/// As for every Matrix identifier; the columns are indexed.
const MAX_ID_BYTES: usize = 255;

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
    let fact = match (event.kind.as_str(), &event.state_key) {
        (kind, Some(state_key)) => state::is_kept(kind)
            .then(|| state::fold(event, state_key).map(Change::State))
            .transpose()?,
        ("m.room.redaction", None) => redaction::fold(event)?.map(Change::Redaction),
        ("m.reaction", None) => reaction::fold(event)?.map(Change::Reaction),
        (_, None) if edit::is_edit(event) => edit::fold(event)?.map(Change::Edit),
        (_, None) if message::is_message(event) => Some(Change::Message(message::fold(event)?)),
        (_, None) => None,
    };
    let pruned = redaction::of_pruned(event).map(Change::Redaction);
    Ok(fact.into_iter().chain(pruned).collect())
}

/// `m.relates_to`, if it is a relation of this kind.
fn relation<'a>(event: &'a IncomingEvent, rel_type: &str) -> Option<&'a Value> {
    let relation = event.content.get("m.relates_to")?;
    (relation.get("rel_type")?.as_str()? == rel_type).then_some(relation)
}

fn event_id(value: Option<&Value>) -> Option<String> {
    let id = value?.as_str()?;
    (1..=MAX_ID_BYTES)
        .contains(&id.len())
        .then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        testing::{event, pruned},
        *,
    };

    fn names(event: &IncomingEvent) -> Vec<&'static str> {
        fold(event)
            .unwrap()
            .iter()
            .map(|change| match change {
                Change::Message(_) => "message",
                Change::Edit(_) => "edit",
                Change::Reaction(_) => "reaction",
                Change::State(_) => "state",
                Change::Redaction(_) => "redaction",
            })
            .collect()
    }

    #[test]
    fn each_kind_is_a_fact_of_its_own() {
        let text = json!({"msgtype": "m.text", "body": "a"});
        let replaces = json!({"m.new_content": text, "m.relates_to": {"rel_type": "m.replace", "event_id": "$m"}});
        let annotates =
            json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$m", "key": "a"}});
        for (kind, content, fact) in [
            ("m.room.message", &text, "message"),
            ("m.sticker", &text, "message"),
            ("m.room.encrypted", &json!({}), "message"),
            ("m.poll.start", &json!({"m.text": "Where?"}), "message"),
            (
                "com.example.note",
                &json!({"org.matrix.msc1767.text": "a"}),
                "message",
            ),
            ("m.room.message", &replaces, "edit"),
            ("m.room.encrypted", &replaces, "edit"),
            ("m.reaction", &annotates, "reaction"),
        ] {
            let event = event(kind, content);
            assert_eq!(names(&event), [fact], "{kind}");
        }
    }

    #[test]
    fn what_is_of_no_use_is_nothing() {
        for (kind, content) in [
            ("com.example.note", json!({"body": "a"})),
            (
                "m.poll.response",
                json!({"m.relates_to": {"rel_type": "m.reference", "event_id": "$p"}}),
            ),
            (
                "com.example.note",
                json!({"m.relates_to": {"rel_type": "m.replace", "event_id": "$m"}}),
            ),
        ] {
            assert_eq!(names(&event(kind, &content)), Vec::<&str>::new(), "{kind}");
        }
        let mut state = event("m.room.power_levels", &json!({}));
        state.state_key = Some(String::new());
        assert_eq!(names(&state), Vec::<&str>::new());
    }

    #[test]
    fn a_pruned_event_is_a_redaction_whatever_it_was() {
        let text = json!({"msgtype": "m.text", "body": "a"});
        for (kind, facts) in [
            ("m.room.message", &["message", "redaction"][..]),
            ("m.reaction", &["redaction"]),
            ("m.poll.start", &["redaction"]),
            ("m.room.redaction", &["redaction"]),
        ] {
            assert_eq!(names(&pruned(event(kind, &text))), facts, "{kind}");
        }
    }
}

//! Edits (specification, "Event replacements").

use serde_json::{Map, Value};

use super::{Unfoldable, event_id, message, relation};
use crate::model::{change::Edit, incoming::IncomingEvent};

/// Whether an event says that it replaces another one.
#[must_use]
pub fn is_edit(event: &IncomingEvent) -> bool {
    relation(event, "m.replace").is_some()
}

/// The edit that an event is; none for one that nobody can read, that is pruned, or of
/// what is no message.
///
/// # Errors
///
/// [`Unfoldable`] when it does not say what it replaces, or by what.
pub fn fold(event: &IncomingEvent) -> Result<Option<Edit>, Unfoldable> {
    let new_content = event
        .content
        .get("m.new_content")
        .and_then(Value::as_object);
    let is_message = message::is_message(event)
        || new_content.is_some_and(|new| super::extensible::text(new).is_some());
    if !is_message || event.kind == "m.room.encrypted" || event.redacted_because.is_some() {
        return Ok(None);
    }
    let replaces = relation(event, "m.replace")
        .and_then(|relation| event_id(relation.get("event_id")))
        .ok_or(Unfoldable("an edit of nothing"))?;
    if replaces == event.event_id {
        return Err(Unfoldable("an edit of itself"));
    }
    let new_content = new_content.ok_or(Unfoldable("an edit without a new content"))?;
    Ok(Some(Edit {
        event_id: event.event_id.clone(),
        room_id: event.room_id.clone(),
        sender: event.sender.clone(),
        event_type: event.kind.clone(),
        replaces,
        shown: message::shown(&event.kind, &without_relation(new_content))?,
        origin_server_ts: event.origin_server_ts,
        timestamp: event.timestamp(),
        received_at: event.received_at,
    }))
}

/// What a message answers is not for its edits to say.
fn without_relation(content: &Map<String, Value>) -> Map<String, Value> {
    let mut content = content.clone();
    content.remove("m.relates_to");
    content
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::testing::event, *};

    fn edit() -> Value {
        json!({
            "msgtype": "m.text", "body": "* new",
            "m.new_content": {"msgtype": "m.notice", "body": "new", "m.relates_to": {"event_id": "$x"}},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$m"},
        })
    }

    #[test]
    fn the_new_content_is_what_is_shown() {
        let edit = fold(&event("m.room.message", &edit())).unwrap().unwrap();
        assert_eq!(edit.replaces, "$m");
        assert_eq!(
            (edit.shown.kind.as_str(), edit.shown.body.as_str()),
            ("m.notice", "new")
        );
        assert_eq!(
            edit.shown.content,
            json!({"msgtype": "m.notice", "body": "new"})
        );
    }

    #[test]
    fn what_says_too_little_cannot_be_folded() {
        for (path, nonsense) in [
            ("/m.new_content", json!(null)),
            ("/m.new_content", json!("new")),
            ("/m.new_content/body", json!(5)),
            ("/m.new_content/msgtype", json!(null)),
            ("/m.relates_to/event_id", json!("")),
            ("/m.relates_to/event_id", json!(["$m"])),
        ] {
            let mut content = edit();
            *content.pointer_mut(path).unwrap() = nonsense;
            assert!(fold(&event("m.room.message", &content)).is_err(), "{path}");
        }
    }

    #[test]
    fn of_a_poll_the_new_text_counts() {
        let content = json!({
            "m.text": "* Where?", "m.new_content": {"m.text": "When?"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$m"},
        });
        let edit = fold(&event("m.poll.start", &content)).unwrap().unwrap();
        assert_eq!(
            (edit.shown.kind.as_str(), edit.shown.body.as_str()),
            ("m.poll.start", "When?")
        );
    }
}

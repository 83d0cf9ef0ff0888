//! Edits (specification, "Event replacements").

use serde_json::{Map, Value};

use super::{Unfoldable, event_id, message, relation};
use crate::model::{change::Edit, incoming::IncomingEvent};

/// Whether an event says that it replaces another one.
#[must_use]
pub fn is_edit(event: &IncomingEvent) -> bool {
    relation(event, "m.replace").is_some()
}

/// The edit that an event is; none of what is no message. It shows nothing when nobody
/// can read it, or it is pruned.
///
/// # Errors
///
/// [`Unfoldable`] when it does not say what it replaces, or by what.
pub fn fold(event: &IncomingEvent) -> Result<Option<Edit>, Unfoldable> {
    if !is_of_message(event) {
        return Ok(None);
    }
    let mut edit = without_content(event)?;
    if event.kind != "m.room.encrypted" && event.redacted_because.is_none() {
        let new = new_content(event).ok_or(Unfoldable("an edit without a new content"))?;
        edit.shown = Some(message::shown(&event.kind, &without_relation(new))?);
    }
    Ok(Some(edit))
}

/// The edit that an event is although [`fold()`] cannot say what it shows: a pruned copy
/// of it that comes later is no message either.
#[must_use]
pub fn unreadable(event: &IncomingEvent) -> Option<Edit> {
    let is_edit = event.state_key.is_none() && is_edit(event) && is_of_message(event);
    is_edit.then(|| without_content(event).ok())?
}

fn is_of_message(event: &IncomingEvent) -> bool {
    let has_text = |new| super::extensible::text(new).is_some();
    message::is_message(event) || new_content(event).is_some_and(has_text)
}

fn new_content(event: &IncomingEvent) -> Option<&Map<String, Value>> {
    event.content.get("m.new_content")?.as_object()
}

fn without_content(event: &IncomingEvent) -> Result<Edit, Unfoldable> {
    let replaces = relation(event, "m.replace")
        .and_then(|relation| event_id(relation.get("event_id")))
        .ok_or(Unfoldable("an edit of nothing"))?;
    if replaces == event.event_id {
        return Err(Unfoldable("an edit of itself"));
    }
    Ok(Edit {
        event_id: event.event_id.clone(),
        room_id: event.room_id.clone(),
        sender: event.sender.clone(),
        event_type: event.kind.clone(),
        replaces,
        shown: None,
        origin_server_ts: event.origin_server_ts,
        timestamp: event.timestamp(),
        received_at: event.received_at,
    })
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

    use super::{
        super::testing::{event, pruned},
        *,
    };

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
        let shown = edit.shown.unwrap();
        assert_eq!(edit.replaces, "$m");
        assert_eq!(
            (shown.kind.as_str(), shown.body.as_str()),
            ("m.notice", "new")
        );
        assert_eq!(shown.content, json!({"msgtype": "m.notice", "body": "new"}));
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
    fn what_nobody_can_read_is_an_edit_all_the_same() {
        let mut encrypted = edit();
        encrypted.as_object_mut().unwrap().remove("m.new_content");
        let encrypted = event("m.room.encrypted", &encrypted);
        let mut redacted = pruned(encrypted.clone());
        // As homeservers with MSC3389 leave it.
        redacted.content = encrypted.content.clone();
        for event in [encrypted, redacted] {
            let edit = fold(&event).unwrap().unwrap();
            assert_eq!((edit.replaces.as_str(), &edit.shown), ("$m", &None));
        }
        let mut invalid = edit();
        invalid["m.new_content"] = json!("new");
        let invalid = event("m.room.message", &invalid);
        assert!(fold(&invalid).is_err());
        assert_eq!(unreadable(&invalid).unwrap().replaces, "$m");
    }

    #[test]
    fn what_is_no_edit_of_a_message_is_none_that_cannot_be_read() {
        let of_itself = json!({"m.relates_to": {"rel_type": "m.replace", "event_id": "$e"}});
        let of_nothing = json!({"m.relates_to": {"rel_type": "m.replace"}});
        for (kind, content) in [
            ("m.room.message", of_itself),
            ("m.room.message", of_nothing),
            ("m.room.message", json!({"msgtype": "m.text"})),
            ("com.example.note", edit()["m.new_content"].clone()),
        ] {
            assert_eq!(unreadable(&event(kind, &content)), None, "{content}");
        }
        let mut state = event("m.room.message", &edit());
        state.state_key = Some(String::new());
        assert_eq!(unreadable(&state), None);
    }

    #[test]
    fn of_a_poll_the_new_text_counts() {
        let content = json!({
            "m.text": "* Where?", "m.new_content": {"m.text": "When?"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$m"},
        });
        let edit = fold(&event("m.poll.start", &content)).unwrap().unwrap();
        let shown = edit.shown.unwrap();
        assert_eq!(
            (shown.kind.as_str(), shown.body.as_str()),
            ("m.poll.start", "When?")
        );
    }
}

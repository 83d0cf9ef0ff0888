//! Messages: `m.room.message` (specification, "Instant messaging"), stickers, and
//! what nobody here can decrypt.

use serde_json::Value;

use super::Unfoldable;
use crate::model::{change::Message, incoming::IncomingEvent};

/// As for every Matrix identifier; the columns are indexed.
const MAX_ID_BYTES: usize = 255;

/// Whether events of this type are messages.
#[must_use]
pub fn is_message(kind: &str) -> bool {
    matches!(kind, "m.room.message" | "m.sticker" | "m.room.encrypted")
}

/// Whether an event is a message of its own, not an edit of another one.
#[must_use]
pub fn is_new_message(event: &IncomingEvent) -> bool {
    event.state_key.is_none() && is_message(&event.kind) && !is_edit(event)
}

fn is_edit(event: &IncomingEvent) -> bool {
    let relation = event.content.get("m.relates_to");
    relation
        .and_then(|r| r.get("rel_type"))
        .and_then(Value::as_str)
        == Some("m.replace")
}

/// The message of an event; none for an edit, which is a version of another one.
///
/// # Errors
///
/// [`Unfoldable`] without a `msgtype` or a `body` that are strings.
pub fn fold(event: &IncomingEvent) -> Result<Option<Message>, Unfoldable> {
    let relation = event.content.get("m.relates_to");
    if relation
        .and_then(|r| r.get("rel_type"))
        .and_then(Value::as_str)
        == Some("m.replace")
    {
        return Ok(None);
    }
    let (kind, body) = kind_and_body(event)?;
    Ok(Some(Message {
        event_id: event.event_id.clone(),
        room_id: event.room_id.clone(),
        sender: event.sender.clone(),
        event_type: event.kind.clone(),
        kind,
        body,
        formatted_body: formatted_body(event),
        content: Value::Object(event.content.clone()),
        origin_server_ts: event.origin_server_ts,
        timestamp: event.timestamp(),
        received_at: event.received_at,
        reply_to: reply_to(relation),
        thread_root: thread_root(relation),
        historical: event.is_historical(),
    }))
}

fn kind_and_body(event: &IncomingEvent) -> Result<(String, String), Unfoldable> {
    // A pruned event has lost both; what is left of it is that it existed.
    if event.redacted_because.is_some() || event.kind == "m.room.encrypted" {
        return Ok((event.kind.clone(), String::new()));
    }
    let text = |key: &str| {
        event
            .content
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let body = text("body").ok_or(Unfoldable("a message without a body that is a string"))?;
    if event.kind == "m.room.message" {
        let kind = text("msgtype").ok_or(Unfoldable("a message without a msgtype"))?;
        return Ok((kind, body));
    }
    Ok((event.kind.clone(), body))
}

/// `formatted_body` as far as a web page may show it.
fn formatted_body(event: &IncomingEvent) -> Option<String> {
    let format = event.content.get("format").and_then(Value::as_str);
    let html = event
        .content
        .get("formatted_body")
        .and_then(Value::as_str)?;
    (format == Some("org.matrix.custom.html") && event.redacted_because.is_none())
        .then(|| ammonia::clean(html))
}

fn thread_root(relation: Option<&Value>) -> Option<String> {
    let relation = relation?;
    let is_thread = relation.get("rel_type").and_then(Value::as_str) == Some("m.thread");
    is_thread
        .then(|| event_id(relation.get("event_id")?))
        .flatten()
}

fn reply_to(relation: Option<&Value>) -> Option<String> {
    let relation = relation?;
    if relation.get("is_falling_back") == Some(&Value::Bool(true)) {
        return None;
    }
    event_id(relation.get("m.in_reply_to")?.get("event_id")?)
}

fn event_id(value: &Value) -> Option<String> {
    let id = value.as_str()?;
    (1..=MAX_ID_BYTES)
        .contains(&id.len())
        .then(|| id.to_owned())
}

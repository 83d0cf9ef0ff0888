//! Messages: `m.room.message` (specification, "Instant messaging"), stickers, polls
//! and other extensible events, and what nobody here can decrypt.

use serde_json::{Map, Value};

use super::{Unfoldable, attachment, edit, event_id, extensible, html, relation};
use crate::model::{
    change::{Message, Shown},
    incoming::IncomingEvent,
};

/// Whether a timeline event is a message, or an edit of one.
#[must_use]
pub fn is_message(event: &IncomingEvent) -> bool {
    match event.kind.as_str() {
        "m.room.message" | "m.sticker" | "m.room.encrypted" => true,
        "m.reaction" | "m.room.redaction" => false,
        _ => extensible::text(&event.content).is_some(),
    }
}

/// Whether an event is a message of its own, not an edit of another one.
#[must_use]
pub fn is_new_message(event: &IncomingEvent) -> bool {
    event.state_key.is_none() && is_message(event) && !edit::is_edit(event)
}

/// The message that an event is.
///
/// # Errors
///
/// [`Unfoldable`] without a `msgtype` or a `body` that are strings.
pub fn fold(event: &IncomingEvent) -> Result<Message, Unfoldable> {
    Ok(Message {
        event_id: event.event_id.clone(),
        room_id: event.room_id.clone(),
        sender: event.sender.clone(),
        event_type: event.kind.clone(),
        shown: shown_of(event)?,
        origin_server_ts: event.origin_server_ts,
        timestamp: event.timestamp(),
        received_at: event.received_at,
        reply_to: reply_to(event),
        thread_root: relation(event, "m.thread").and_then(|r| event_id(r.get("event_id"))),
        historical: event.is_historical(),
    })
}

fn shown_of(event: &IncomingEvent) -> Result<Shown, Unfoldable> {
    // A pruned event has lost its content; what is left of it is that it existed.
    if event.redacted_because.is_some() || event.kind == "m.room.encrypted" {
        return Ok(Shown {
            kind: event.kind.clone(),
            body: String::new(),
            formatted_body: None,
            content: Value::Object(event.content.clone()),
            attachment: None,
        });
    }
    let mut shown = shown(&event.kind, &event.content)?;
    if event
        .content
        .get("m.relates_to")
        .is_some_and(|r| r.get("m.in_reply_to").is_some())
    {
        strip_fallback(&mut shown);
    }
    Ok(shown)
}

/// What a content of an event of this type shows.
///
/// # Errors
///
/// [`Unfoldable`] without a `msgtype` or a text.
pub(super) fn shown(kind: &str, content: &Map<String, Value>) -> Result<Shown, Unfoldable> {
    let text = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
    let of_its_own = matches!(kind, "m.room.message" | "m.sticker");
    let body = if of_its_own {
        text("body")
    } else {
        extensible::text(content)
    };
    let formatted = match text("format").as_deref() {
        Some("org.matrix.custom.html") => text("formatted_body"),
        _ if of_its_own => None,
        _ => extensible::html(content),
    };
    let kind = if kind == "m.room.message" {
        text("msgtype").ok_or(Unfoldable("a message without a msgtype"))?
    } else {
        kind.to_owned()
    };
    Ok(Shown {
        body: body.ok_or(Unfoldable("a message without a body that is a string"))?,
        formatted_body: formatted.as_deref().and_then(html::clean),
        content: Value::Object(content.clone()),
        attachment: attachment::fold(&kind, content),
        kind,
    })
}

/// What older clients write before an answer: the message that it answers, quoted
/// (specification 1.12, "Fallbacks for rich replies"). `replyTo` says it better.
fn strip_fallback(shown: &mut Shown) {
    let quotes_somebody = ["> <@", "> * <@"]
        .iter()
        .any(|start| shown.body.starts_with(start));
    if !quotes_somebody {
        return;
    }
    let answer: Vec<_> = shown
        .body
        .split('\n')
        .skip_while(|line| line.starts_with("> "))
        .collect();
    let answer = match answer.as_slice() {
        ["", rest @ ..] => rest.join("\n"),
        rest => rest.join("\n"),
    };
    // A message that is nothing but a quotation was meant as one.
    if !answer.is_empty() {
        shown.body = answer;
    }
}

fn reply_to(event: &IncomingEvent) -> Option<String> {
    let relation = event.content.get("m.relates_to")?;
    if relation.get("is_falling_back") == Some(&Value::Bool(true)) {
        return None;
    }
    event_id(relation.get("m.in_reply_to")?.get("event_id"))
}

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
        "m.location" if event.content.get("body").is_some_and(Value::is_string) => true,
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
        historical: event.is_historical,
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
    let body = match kind {
        _ if of_its_own => text("body"),
        // As it is written by those who know no extensible events.
        "m.location" => extensible::text(content).or_else(|| text("body")),
        _ => extensible::text(content),
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
    let quoted = shown.body.split('\n').take_while(|l| l.starts_with("> "));
    let lines = shown.body.split('\n').skip(quoted.count());
    let answer = lines.collect::<Vec<_>>().join("\n");
    let answer = answer.strip_prefix('\n').unwrap_or(&answer).to_owned();
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::event, *};

    fn folded(content: &Value) -> Message {
        fold(&event("m.room.message", content)).unwrap()
    }

    fn text(body: &str) -> Value {
        json!({"msgtype": "m.text", "body": body})
    }

    #[test]
    fn an_unknown_msgtype_keeps_its_name_and_body() {
        let message = folded(&json!({"msgtype": "com.example.wave", "body": "waves"}));
        assert_eq!(
            (message.shown.kind.as_str(), message.shown.body.as_str()),
            ("com.example.wave", "waves")
        );
    }

    #[test]
    fn a_location_is_a_message_by_its_text_or_its_body() {
        let old = json!({"body": "by the river", "geo_uri": "geo:52.5,13.4"});
        let new = json!({"org.matrix.msc1767.text": "by the river", "body": "an older text"});
        for content in [old, new] {
            let location = event("m.location", &content);
            assert!(is_new_message(&location));
            let shown = fold(&location).unwrap().shown;
            assert_eq!(
                (shown.kind.as_str(), shown.body.as_str()),
                ("m.location", "by the river")
            );
        }
        assert!(!is_message(&event(
            "m.location",
            &json!({"geo_uri": "geo:52.5,13.4"})
        )));
    }

    #[test]
    fn what_nobody_can_read_is_empty() {
        let message = fold(&event(
            "m.room.encrypted",
            &json!({"ciphertext": "x", "body": "x"}),
        ))
        .unwrap();
        assert_eq!(
            (message.shown.kind.as_str(), message.shown.body.as_str()),
            ("m.room.encrypted", "")
        );
    }

    #[test]
    fn without_a_text_it_cannot_be_folded() {
        for (kind, content) in [
            ("m.room.message", json!({"msgtype": "m.text"})),
            ("m.room.message", json!({"msgtype": "m.text", "body": 5})),
            ("m.room.message", json!({"body": "a"})),
            ("m.room.message", json!({"msgtype": [], "body": "a"})),
            ("m.sticker", json!({"body": {}})),
        ] {
            assert!(fold(&event(kind, &content)).is_err(), "{kind} {content}");
        }
    }

    #[test]
    fn html_is_shown_as_far_as_it_is_safe() {
        let mut content = text("a");
        content["formatted_body"] = json!("<b onclick='x()'>a</b>");
        assert_eq!(folded(&content).shown.formatted_body, None);
        content["format"] = json!("org.matrix.custom.html");
        assert_eq!(
            folded(&content).shown.formatted_body.as_deref(),
            Some("<b>a</b>")
        );
    }

    #[test]
    fn an_answer_names_what_it_answers_but_not_by_a_threads_fallback() {
        let mut content = text("a");
        content["m.relates_to"] = json!({
            "rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$last"},
            "is_falling_back": true,
        });
        let message = folded(&content);
        assert_eq!(
            (message.thread_root.as_deref(), message.reply_to),
            (Some("$root"), None)
        );
        content["m.relates_to"]["is_falling_back"] = json!(false);
        assert_eq!(folded(&content).reply_to.as_deref(), Some("$last"));
        for nonsense in [
            json!(5),
            json!([]),
            json!({"m.in_reply_to": {"event_id": ""}}),
            json!({"m.in_reply_to": 1}),
        ] {
            content["m.relates_to"] = nonsense;
            let message = folded(&content);
            assert_eq!((message.thread_root, message.reply_to), (None, None));
        }
    }

    #[test]
    fn the_quotation_before_an_answer_is_left_out() {
        for (body, shown) in [
            ("> <@a:b> one\n> two\n\nanswer\n> mine", "answer\n> mine"),
            ("> * <@a:b> waves\n\nanswer", "answer"),
            (
                "> a quotation of mine\n\nanswer",
                "> a quotation of mine\n\nanswer",
            ),
            ("> <@a:b> nothing else", "> <@a:b> nothing else"),
        ] {
            let mut content = text(body);
            assert_eq!(folded(&content).shown.body, body);
            content["m.relates_to"] = json!({"m.in_reply_to": {"event_id": "$m"}});
            assert_eq!(folded(&content).shown.body, shown);
        }
    }
}

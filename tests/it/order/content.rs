//! Contents of messages and edits, of every kind.

use serde_json::{Map, Value, json};

/// A message's event type and content. `number` makes its text its own.
pub(super) fn message(kind: usize, number: usize, mxc: &str) -> (&'static str, Value) {
    let body = format!("message {number}");
    let file = |msgtype: &str| {
        json!({"msgtype": msgtype, "body": body, "url": mxc, "filename": "a.bin",
               "info": {"mimetype": "a/b", "size": number, "w": 3, "h": 4.0, "duration": 5}})
    };
    let content = match kind % 24 {
        0 | 1 => json!({"msgtype": "m.text", "body": body}),
        2 => json!({"msgtype": "m.notice", "body": body}),
        3 => json!({"msgtype": "m.emote", "body": body}),
        4 => json!({"msgtype": "m.text", "body": body, "format": "org.matrix.custom.html",
                    "formatted_body": format!("<b>{body}</b><script>x</script>")}),
        5 => file("m.image"),
        6 => file("m.video"),
        7 => file("m.audio"),
        8 => {
            let mut voice = file("m.audio");
            voice["org.matrix.msc3245.voice"] = json!({});
            voice
        }
        9 => json!({"msgtype": "m.file", "body": "", "file": {"url": mxc, "key": {}}}),
        10 => json!({"msgtype": "m.location", "body": body, "geo_uri": "geo:1,2"}),
        11 => json!({"msgtype": "x.custom", "body": body, "x": [1, {}]}),
        12 => json!({"msgtype": "m.text", "body": "> <@a:b> quoted\n> twice\n\nanswer"}),
        13 => json!({"msgtype": "m.text", "body": "nul \u{0} here", "\u{0}": ["\u{0}"]}),
        14 => json!({"msgtype": "m.image", "body": body, "url": "https://not.a/matrix/address",
                     "info": {"size": "%1e300%", "w": -1, "h": 1e12}}),
        15 => json!({"msgtype": "m.text", "body": body, "x": "%DEEP124%", "y": u64::MAX}),
        16 => {
            return (
                "m.sticker",
                json!({"body": body, "url": mxc, "info": {"w": 1, "h": 1}}),
            );
        }
        17 => {
            return (
                "m.room.encrypted",
                json!({"algorithm": "m.megolm.v1.aes-sha2"}),
            );
        }
        18 => {
            return (
                "m.poll.start",
                json!({"m.text": [{"body": body}], "m.poll": {}}),
            );
        }
        19 => {
            let question = json!({"org.matrix.msc1767.text": body});
            let poll = json!({"question": question, "answers": []});
            return (
                "org.matrix.msc3381.poll.start",
                json!({"org.matrix.msc3381.poll.start": poll}),
            );
        }
        20 => return ("x.extensible", json!({"org.matrix.msc1767.text": body})),
        // Kinds that are nothing to Tributary.
        21 => return ("m.call.invite", json!({"call_id": body})),
        _ => json!({"msgtype": "m.text", "body": body, "m.mentions": {"room": true}}),
    };
    ("m.room.message", content)
}

/// What an edit of an event of this type says: mostly another text.
pub(super) fn edit(which: usize, number: usize, kind: &str, mxc: &str) -> Value {
    let body = format!("edit {number}");
    let new = match (which, kind) {
        (0, _) => return json!({"msgtype": "m.text", "body": body}),
        (1, _) => json!({"msgtype": "m.text"}),
        (2, _) => json!("no object"),
        (3..=4, "m.room.message") => {
            json!({"msgtype": "m.image", "body": body, "url": mxc, "info": {"w": 1}})
        }
        (_, "m.sticker") => json!({"body": body, "url": mxc}),
        (_, "m.room.message") => json!({"msgtype": "m.text", "body": body,
            "m.relates_to": {"m.in_reply_to": {"event_id": "$elsewhere"}}}),
        _ => json!({"org.matrix.msc1767.text": body}),
    };
    json!({"msgtype": "m.text", "body": format!("* {body}"), "m.new_content": new})
}

/// What a redaction leaves of a content (specification, "Redactions"); `keeps` for
/// the room versions that leave a redaction its target.
pub(super) fn pruned(kind: &str, content: &Value, keeps: bool) -> Value {
    let kept: &[&str] = match kind {
        "m.room.member" => &["membership"],
        "m.room.redaction" if keeps => &["redacts"],
        _ => &[],
    };
    let all = content.as_object();
    let kept = kept
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), all?.get(*key)?.clone())));
    Value::Object(kept.collect::<Map<_, _>>())
}

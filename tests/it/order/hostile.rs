//! Events that are not what they should be.

use serde_json::{Value, json};

/// Changes a good message into something that nobody promised.
pub(super) fn spoil(event: &mut Value, which: usize, id: &str) {
    match which % 32 {
        0 => event["content"] = json!({"msgtype": "m.text", "body": 7}),
        1 => event["content"] = json!({"msgtype": 7, "body": "x"}),
        2 => event["content"] = json!({"body": "x"}),
        3 => event["content"] = json!([]),
        4 => event["content"] = json!({"msgtype": "m.text", "body": "x", "deep": "%DEEP5000%"}),
        5 => event["content"] = json!({"msgtype": "m.text", "body": "x", "huge": "%1e400%"}),
        6 => event["sender"] = json!(""),
        7 => event["origin_server_ts"] = json!("soon"),
        8 => event["event_id"] = json!("$".repeat(256)),
        9 => event["event_id"] = json!(5),
        10 => event["type"] = json!(null),
        11 => event["unsigned"] = json!({"age": "%1e400%", "redacted_because": 5}),
        12 => event["unsigned"] = json!({"prev_content": "%DEEP5000%"}),
        13 => event["state_key"] = json!("k".repeat(256)),
        14 => state(
            event,
            "m.room.member",
            "@facebook_2001:lab.local",
            json!({}),
        ),
        15 => state(
            event,
            "m.room.member",
            "@facebook_2001:lab.local",
            json!({"membership": 5}),
        ),
        16 => state(
            event,
            "m.room.member",
            "",
            json!({"membership": "join", "displayname": 1}),
        ),
        17 => state(event, "m.room.name", "", json!({"name": {"deep": ["er"]}})),
        18 => state(
            event,
            "m.room.name",
            "",
            json!({"name": "nul\u{0}", "\u{0}": 1}),
        ),
        19 => state(
            event,
            "m.room.name",
            "other key",
            json!({"name": "nobody's"}),
        ),
        20 => state(event, "m.room.avatar", "", json!({"url": "mxc://nothing"})),
        21 => state(
            event,
            "io.element.functional_members",
            "",
            json!({"service_members": "x"}),
        ),
        22 => state(event, "m.room.topic", "", json!({"topic": "%1e300%"})),
        23 => state(event, "x.unknown", "", json!({"x": 1})),
        24 => of(event, "m.reaction", json!({})),
        25 => of(
            event,
            "m.reaction",
            json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": id, "key": ""}}),
        ),
        26 => of(
            event,
            "m.reaction",
            json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": 5, "key": "x"}}),
        ),
        27 => of(event, "m.room.redaction", json!({"redacts": 5})),
        28 => event["content"]["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": {}}),
        29 => event["content"]["m.relates_to"] = json!({"m.in_reply_to": {"event_id": ""}}),
        30 => event["content"]["m.relates_to"] = json!("nothing"),
        _ => of(event, "x.unknown", json!({"body": "x"})),
    }
}

fn of(event: &mut Value, kind: &str, content: Value) {
    event["type"] = json!(kind);
    event["content"] = content;
}

fn state(event: &mut Value, kind: &str, key: &str, content: Value) {
    of(event, kind, content);
    event["state_key"] = json!(key);
}

//! Ephemeral events of a push: typing and receipts (client-server specification,
//! "Typing notifications" and "Receipts").

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::model::ephemeral::{Ephemeral, Receipt};

/// As for every Matrix identifier.
const MAX_ID_BYTES: usize = 255;

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    room_id: String,
    content: Map<String, Value>,
}

/// Reads one ephemeral event; nothing for what is malformed or of another kind.
#[must_use]
pub fn decode(raw: &RawValue) -> Vec<Ephemeral> {
    let Ok(wire) = serde_json::from_str::<Wire>(raw.get()) else {
        return Vec::new();
    };
    if !is_id(&wire.room_id) {
        return Vec::new();
    }
    match wire.kind.as_str() {
        "m.typing" => typing(wire),
        "m.receipt" => receipts(&wire),
        _ => Vec::new(),
    }
}

fn typing(wire: Wire) -> Vec<Ephemeral> {
    let user_ids = match wire.content.get("user_ids") {
        Some(Value::Array(ids)) => ids
            .iter()
            .filter_map(Value::as_str)
            .filter(|id| is_id(id))
            .map(str::to_owned)
            .collect(),
        _ => return Vec::new(),
    };
    vec![Ephemeral::Typing {
        room_id: wire.room_id,
        user_ids,
    }]
}

fn receipts(wire: &Wire) -> Vec<Ephemeral> {
    let mut found = Vec::new();
    for (event_id, kinds) in wire.content.iter().filter(|(id, _)| is_id(id)) {
        for (kind, private) in [("m.read", false), ("m.read.private", true)] {
            let users = kinds
                .get(kind)
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            for (user_id, receipt) in users.filter(|(id, _)| is_id(id)) {
                found.push(Ephemeral::Receipt(Receipt {
                    room_id: wire.room_id.clone(),
                    user_id: user_id.clone(),
                    event_id: event_id.clone(),
                    ts: receipt.get("ts").and_then(Value::as_i64).unwrap_or(0),
                    private,
                    in_thread: receipt
                        .get("thread_id")
                        .is_some_and(|thread| thread != "main"),
                }));
            }
        }
    }
    found
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && !id.contains('\0')
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;

    fn decoded(value: &Value) -> Vec<Ephemeral> {
        decode(&to_raw_value(value).unwrap())
    }

    #[test]
    fn typing_carries_the_whole_list() {
        let typing =
            json!({"type": "m.typing", "room_id": "!r", "content": {"user_ids": ["@a:b", 1]}});
        assert_eq!(
            decoded(&typing),
            [Ephemeral::Typing {
                room_id: "!r".into(),
                user_ids: vec!["@a:b".into()]
            }]
        );
    }

    #[test]
    fn receipts_are_public_or_private() {
        let receipt = json!({"type": "m.receipt", "room_id": "!r", "content": {
            "$e": {"m.read": {"@a:b": {"ts": 5, "thread_id": "main"}},
                   "m.read.private": {"@c:d": {"thread_id": "$t"}}},
        }});
        let seen: Vec<_> = decoded(&receipt)
            .into_iter()
            .map(|part| match part {
                Ephemeral::Receipt(receipt) => (
                    receipt.user_id,
                    receipt.ts,
                    receipt.private,
                    receipt.in_thread,
                ),
                Ephemeral::Typing { .. } => panic!("a receipt"),
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("@a:b".to_owned(), 5, false, false),
                ("@c:d".to_owned(), 0, true, true)
            ]
        );
    }

    #[test]
    fn nonsense_is_nothing() {
        for value in [
            json!(1),
            json!({}),
            json!({"type": "m.typing", "room_id": "!r", "content": {"user_ids": 5}}),
            json!({"type": "m.receipt", "room_id": "!r", "content": {"$e": [], "": {}}}),
            json!({"type": "m.presence", "room_id": "!r", "content": {}}),
        ] {
            assert!(decoded(&value).is_empty(), "{value}");
        }
    }
}

//! Raw JSON to an [`IncomingEvent`], one event at a time.
//!
//! Everything in an event may be hostile: sizes, numbers, times, nesting, U+0000
//! (which Postgres can hold neither in text nor in jsonb and which becomes
//! U+FFFD here, once). What cannot be decoded says which event it was, so that
//! it can be kept as a dead letter.

use std::{borrow::Cow, collections::HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Number, Value, value::RawValue};

use crate::model::incoming::{IncomingEvent, RedactedBecause, is_historical};

/// The longest identifier that Matrix allows, in bytes (spec appendices, "Identifier grammar").
const MAX_ID_BYTES: usize = 255;
/// An age beyond this is no age: 20 years in milliseconds.
const MAX_AGE_MS: i64 = 20 * 365 * 24 * 60 * 60 * 1000;

/// An event that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undecodable {
    /// Its event id, if that much can be read.
    pub event_id: Option<String>,
    /// Its room, if that much can be read.
    pub room_id: Option<String>,
    /// What is wrong, without any of the content.
    pub reason: &'static str,
}

#[derive(Deserialize)]
struct Wire {
    event_id: String,
    room_id: Option<String>,
    sender: String,
    #[serde(rename = "type")]
    kind: String,
    state_key: Option<String>,
    origin_server_ts: Box<RawValue>,
    content: Map<String, Value>,
    redacts: Option<Value>,
    replaces_state: Option<Value>,
    unsigned: Option<Box<RawValue>>,
}

/// What the homeserver adds. The rest of it, such as `prev_content`, can be deeper
/// than the event itself and is of no use.
#[derive(Default, Deserialize)]
struct Unsigned {
    age: Option<Box<RawValue>>,
    replaces_state: Option<Box<RawValue>>,
    redacted_because: Option<Box<RawValue>>,
}

impl Unsigned {
    fn parse(raw: Option<&RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }
}

/// A value that is nothing to refuse an event for.
fn lenient(raw: Option<&RawValue>) -> Option<Value> {
    serde_json::from_str(raw?.get()).ok()
}

/// Decodes one event. `now` is the time of the batch's arrival; `room_id` is the
/// room for events of `/state` and `/messages`, which may leave it out.
///
/// # Errors
///
/// [`Undecodable`] for whatever is not an event by the client-server specification.
pub fn decode(
    raw: &RawValue,
    room_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<IncomingEvent, Undecodable> {
    let undecodable = |reason| {
        let (event_id, own_room) = header(raw);
        Undecodable {
            event_id,
            room_id: room_id.map(str::to_owned).or(own_room),
            reason,
        }
    };
    let wire = parse(raw.get()).map_err(undecodable)?;
    let room_id = wire
        .room_id
        .or_else(|| room_id.map(str::to_owned))
        .ok_or_else(|| undecodable("no room_id"))?;
    let ids = [&wire.event_id, &room_id, &wire.sender, &wire.kind];
    if ids.into_iter().any(|id| !is_id(id))
        || wire
            .state_key
            .as_ref()
            .is_some_and(|key| key.len() > MAX_ID_BYTES)
    {
        return Err(undecodable(
            "an identifier is empty or longer than 255 bytes",
        ));
    }
    let origin_server_ts = time(wire.origin_server_ts.get())
        .ok_or_else(|| undecodable("a field is missing or of the wrong type"))?;
    let unsigned = Unsigned::parse(wire.unsigned.as_deref());
    let age = lenient(unsigned.age.as_deref()).and_then(|age| age.as_i64());
    let replaces_state = lenient(unsigned.replaces_state.as_deref());
    let received_at = received_at(age, now);
    Ok(IncomingEvent {
        redacts: id_of(wire.redacts.as_ref()).or_else(|| id_of(wire.content.get("redacts"))),
        replaces_state: id_of(replaces_state.as_ref())
            .or_else(|| id_of(wire.replaces_state.as_ref())),
        redacted_because: redacted_because(unsigned.redacted_because.as_deref(), &wire.event_id),
        is_historical: is_historical(origin_server_ts, received_at),
        origin_server_ts,
        received_at,
        event_id: wire.event_id,
        room_id,
        sender: wire.sender,
        kind: wire.kind,
        state_key: wire.state_key,
        content: wire.content,
    })
}

/// Makes the receipt times of a batch strictly rising, in its order: a leave and
/// the message behind it must not share a time, since access ends at the leave.
pub fn order_receipts(events: &mut [IncomingEvent]) {
    for i in 1..events.len() {
        let floor = events[i - 1].received_at + TimeDelta::microseconds(1);
        if events[i].received_at < floor {
            events[i].received_at = floor;
        }
    }
}

fn parse(raw: &str) -> Result<Wire, &'static str> {
    serde_json::from_str(&without_nul(raw)).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of the wrong type",
        _ => "not JSON that can be read, or nested too deep",
    })
}

/// JSON with U+FFFD for U+0000, which can only come as an escape: a raw one is no
/// JSON. It stays text, so that what is skipped elsewhere can be as deep as there.
fn without_nul(json: &str) -> Cow<'_, str> {
    const ESCAPED_BACKSLASH: &str = r"\\";
    const NUL: &str = r"\u0000";
    if !json.contains(NUL) {
        return Cow::Borrowed(json);
    }
    // Between escaped backslashes every backslash begins an escape.
    let parts = json.split(ESCAPED_BACKSLASH);
    let clean: Vec<_> = parts.map(|part| part.replace(NUL, "\u{FFFD}")).collect();
    Cow::Owned(clean.join(ESCAPED_BACKSLASH))
}

/// What can be read of an event that cannot be decoded. Unknown fields are
/// skipped without recursion, so nesting is no obstacle here.
fn header(raw: &RawValue) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(borrow)]
        event_id: Option<&'a RawValue>,
        #[serde(borrow)]
        room_id: Option<&'a RawValue>,
    }
    let text = |field: Option<&RawValue>| {
        let text: String = serde_json::from_str(field?.get()).ok()?;
        is_id(&text).then_some(text)
    };
    serde_json::from_str::<Header<'_>>(&without_nul(raw.get())).map_or((None, None), |header| {
        (text(header.event_id), text(header.room_id))
    })
}

/// When the homeserver received an event of which nothing else may be readable.
#[must_use]
pub fn receipt(raw: &str, now: DateTime<Utc>) -> DateTime<Utc> {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(borrow)]
        unsigned: Option<&'a RawValue>,
    }
    let raw = without_nul(raw);
    let unsigned = serde_json::from_str::<Header<'_>>(&raw)
        .ok()
        .map(|header| Unsigned::parse(header.unsigned));
    let age = unsigned.and_then(|unsigned| lenient(unsigned.age.as_deref())?.as_i64());
    received_at(age, now)
}

/// The event that one which cannot be taken in edits or reacts to, however much else of
/// it cannot be read: what it says goes when that one is redacted.
#[must_use]
pub fn about(raw: &str) -> Option<String> {
    type Fields<'a> = HashMap<String, &'a RawValue>;
    let raw = without_nul(raw);
    let event: Fields<'_> = serde_json::from_str(&raw).ok()?;
    let content: Fields<'_> = serde_json::from_str(event.get("content")?.get()).ok()?;
    let relation: Fields<'_> = serde_json::from_str(content.get("m.relates_to")?.get()).ok()?;
    let field = |name: &str| lenient(relation.get(name).copied());
    let rel_type = field("rel_type")?;
    matches!(rel_type.as_str()?, "m.replace" | "m.annotation")
        .then(|| id_of(field("event_id").as_ref()))?
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
}

fn id_of(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|id| is_id(id)).map(str::to_owned)
}

/// A time as it is written, also one that no float can hold.
fn time(json: &str) -> Option<i64> {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => value.as_number().map(milliseconds),
        // It has been read as JSON before: what is left to fail is the size.
        Err(_) if json.starts_with('-') => Some(i64::MIN),
        Err(_) if json.starts_with(|c: char| c.is_ascii_digit()) => Some(i64::MAX),
        Err(_) => None,
    }
}

/// Any JSON number as milliseconds: absurd times are no reason to refuse an event.
fn milliseconds(number: &Number) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, which is what is wanted"
    )]
    let from_float = |float: f64| float as i64;
    number
        .as_i64()
        .or_else(|| number.as_u64().map(|_| i64::MAX))
        .or_else(|| number.as_f64().map(from_float))
        .unwrap_or(i64::MAX)
}

/// The homeserver's receipt: its `age` is counted from there.
fn received_at(age: Option<i64>, now: DateTime<Utc>) -> DateTime<Utc> {
    match age {
        Some(age @ 0..=MAX_AGE_MS) => now - TimeDelta::milliseconds(age),
        _ => now,
    }
}

fn redacted_because(raw: Option<&RawValue>, event_id: &str) -> Option<RedactedBecause> {
    #[derive(Default, Deserialize)]
    struct Because {
        event_id: Option<Box<RawValue>>,
        sender: Option<Box<RawValue>>,
        origin_server_ts: Option<Box<RawValue>>,
    }
    let raw = raw.filter(|raw| raw.get().starts_with('{'))?;
    let because: Because = serde_json::from_str(raw.get()).unwrap_or_default();
    let id = |field: Option<&RawValue>| id_of(lenient(field).as_ref());
    Some(RedactedBecause {
        // Without an id of its own it is still one redaction, and always the same.
        event_id: id(because.event_id.as_deref()).unwrap_or_else(|| redaction_of(event_id)),
        sender: id(because.sender.as_deref()).unwrap_or_default(),
        origin_server_ts: because
            .origin_server_ts
            .and_then(|ts| time(ts.get()))
            .unwrap_or(0),
    })
}

/// An id for the redaction of an event that came without one.
fn redaction_of(event_id: &str) -> String {
    const MARK: &str = "~redacted";
    let end = event_id.floor_char_boundary(MAX_ID_BYTES - MARK.len());
    format!("{}{MARK}", &event_id[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_790_000_000_000).unwrap()
    }

    fn event() -> Value {
        json!({
            "event_id": "$e", "room_id": "!r", "sender": "@a:b", "type": "m.room.message",
            "origin_server_ts": 1_789_999_999_000_i64, "content": {"msgtype": "m.text", "body": "hi"},
            "unsigned": {"age": 500},
        })
    }

    fn decoded(value: &Value) -> Result<IncomingEvent, Undecodable> {
        decode(&to_raw_value(value).unwrap(), None, now())
    }

    #[test]
    fn the_age_gives_the_receipt() {
        let event = decoded(&event()).unwrap();
        assert_eq!(event.received_at, now() - TimeDelta::milliseconds(500));
        assert!(!event.is_historical);
    }

    #[test]
    fn a_hostile_age_is_none() {
        for age in [
            json!(-1),
            json!(i64::MAX),
            json!(1e300),
            json!("5"),
            json!(null),
        ] {
            let mut value = event();
            value["unsigned"]["age"] = age;
            assert_eq!(decoded(&value).unwrap().received_at, now());
        }
    }

    #[test]
    fn nul_becomes_the_replacement_character_in_values_and_keys() {
        let mut value = event();
        value["content"]["body"] = json!("a\0b");
        value["content"]["k\0"] = json!([{"\0": "\0"}]);
        let content = decoded(&value).unwrap().content;
        assert_eq!(content["body"], "a\u{FFFD}b");
        assert_eq!(content["k\u{FFFD}"], json!([{"\u{FFFD}": "\u{FFFD}"}]));
    }

    #[test]
    fn what_an_unreadable_event_is_about_can_be_read() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let of = |rel_type: &str| {
            format!(
                r#"{{"event_id": 5, "x": {deep}, "content": {{"body": {deep}, "m.relates_to":
                   {{"rel_type": "{rel_type}", "event_id": "\u0024m", "x": 1e400}}}}}}"#
            )
        };
        for rel_type in ["m.replace", "m.annotation"] {
            assert_eq!(about(&of(rel_type)).as_deref(), Some("$m"), "{rel_type}");
        }
        for other in [
            of("m.thread"),
            r#"{"content": {"m.relates_to": {"rel_type": "m.replace", "event_id": ""}}}"#.into(),
            r#"{"content": {"m.relates_to": "m.replace"}}"#.into(),
            r#"{"content": []}"#.into(),
            "5".into(),
        ] {
            assert_eq!(about(&other), None, "{other}");
        }
    }

    #[test]
    fn what_only_looks_like_nul_is_kept() {
        let mut value = event();
        for text in [r"\u0000", r"\\u0000", "\\\0", "\"\0\\u0000", "\\\\\0\0"] {
            value["content"]["body"] = json!(text);
            let content = decoded(&value).unwrap().content;
            assert_eq!(content["body"], text.replace('\0', "\u{FFFD}"), "{text:?}");
        }
    }

    #[test]
    fn nul_changes_nothing_about_what_is_refused() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let mut value = event();
        value["content"]["body"] = json!("\0");
        let raw = serde_json::to_string(&value).unwrap().replace(
            r#""age":500"#,
            &format!(r#""age":500,"prev_content":{deep},"x":1e400"#),
        );
        let raw = RawValue::from_string(raw).unwrap();
        let decoded = decode(&raw, None, now()).unwrap();
        assert_eq!(decoded.content["body"], "\u{FFFD}");
    }

    #[test]
    fn absurd_numbers_are_kept_or_bounded() {
        for (number, expected) in [
            ("1", 1),
            ("-5", -5),
            ("18446744073709551615", i64::MAX),
            ("1e300", i64::MAX),
            ("-1e300", i64::MIN),
            ("1e400", i64::MAX),
            ("-1e400", i64::MIN),
        ] {
            let raw = serde_json::to_string(&event())
                .unwrap()
                .replace("1789999999000", number);
            let raw = RawValue::from_string(raw).unwrap();
            assert_eq!(
                decode(&raw, None, now()).unwrap().origin_server_ts,
                expected,
                "{number}"
            );
        }
    }

    #[test]
    fn what_is_too_deep_still_says_who_it_is() {
        let deep = format!(
            r#"{{"content":{}1{},"event_id":"$deep","room_id":"!r","type":"m.room.message"}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        let refused = decode(&RawValue::from_string(deep).unwrap(), None, now()).unwrap_err();
        assert_eq!(refused.event_id.as_deref(), Some("$deep"));
        assert_eq!(refused.room_id.as_deref(), Some("!r"));
    }

    #[test]
    fn what_synapse_allows_at_most_is_decoded() {
        let mut content = json!(1);
        for _ in 0..124 {
            content = json!([content]);
        }
        let mut value = event();
        value["content"] = json!({"body": "deep", "msgtype": "m.text", "x": content});
        assert!(decoded(&value).is_ok());
    }

    #[test]
    fn what_the_homeserver_adds_is_no_reason_to_refuse() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let unsigned = [
            format!(r#"{{"prev_content":{deep},"age":500}}"#),
            r#"{"age":500,"x":1e400}"#.to_owned(),
            r#"{"age":500,"redacted_because":5,"replaces_state":1e400}"#.to_owned(),
        ];
        for unsigned in unsigned {
            let raw = serde_json::to_string(&event())
                .unwrap()
                .replace(r#"{"age":500}"#, &unsigned);
            let raw = RawValue::from_string(raw).unwrap();
            let decoded = decode(&raw, None, now()).unwrap();
            assert_eq!(decoded.received_at, now() - TimeDelta::milliseconds(500));
            assert_eq!(decoded.redacted_because, None);
        }
        for unsigned in ["5", "[]", r#"{"age":1e400}"#] {
            let raw = serde_json::to_string(&event())
                .unwrap()
                .replace(r#"{"age":500}"#, unsigned);
            let raw = RawValue::from_string(raw).unwrap();
            assert_eq!(decode(&raw, None, now()).unwrap().received_at, now());
        }
    }

    #[test]
    fn a_hostile_redaction_is_one_still() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        for (because, id) in [
            (r#"{"event_id":"$r","content":DEEP}"#, "$r"),
            (r#"{"event_id":5,"origin_server_ts":1e400}"#, "$e~redacted"),
        ] {
            let because = because.replace("DEEP", &deep);
            let raw = serde_json::to_string(&event())
                .unwrap()
                .replace(r#""age":500"#, &format!(r#""redacted_because":{because}"#));
            let raw = RawValue::from_string(raw).unwrap();
            let decoded = decode(&raw, None, now()).unwrap();
            assert_eq!(decoded.redacted_because.unwrap().event_id, id);
        }
    }

    #[test]
    fn the_id_of_a_redaction_without_one_is_an_id() {
        for event_id in ["$".repeat(255), "é".repeat(127), "€".repeat(85)] {
            let mut value = event();
            value["event_id"] = json!(event_id);
            value["unsigned"] = json!({"redacted_because": {}});
            let id = decoded(&value).unwrap().redacted_because.unwrap().event_id;
            assert!(is_id(&id) && id.ends_with("~redacted"), "{id}");
        }
    }

    #[test]
    fn wrong_types_and_sizes_are_refused_with_what_is_known() {
        for (field, bad) in [
            ("sender", json!(1)),
            ("sender", json!("")),
            ("type", json!("t".repeat(256))),
            ("content", json!([])),
            ("origin_server_ts", json!("soon")),
            ("state_key", json!("k".repeat(256))),
        ] {
            let mut value = event();
            value[field] = bad;
            assert_eq!(
                decoded(&value).unwrap_err().event_id.as_deref(),
                Some("$e"),
                "{field}"
            );
        }
        for id in [json!("$".repeat(256)), json!(""), json!(null), json!({})] {
            let mut value = event();
            value["event_id"] = id;
            assert_eq!(decoded(&value).unwrap_err().event_id, None);
        }
    }

    #[test]
    fn a_redaction_is_found_at_either_place() {
        let mut value = event();
        value["redacts"] = json!("$top");
        assert_eq!(decoded(&value).unwrap().redacts.as_deref(), Some("$top"));
        let mut value = event();
        value["content"]["redacts"] = json!("$content");
        assert_eq!(
            decoded(&value).unwrap().redacts.as_deref(),
            Some("$content")
        );
    }

    #[test]
    fn receipts_rise_within_a_batch() {
        let mut batch = vec![decoded(&event()).unwrap(); 3];
        order_receipts(&mut batch);
        assert!(
            batch
                .windows(2)
                .all(|pair| pair[0].received_at < pair[1].received_at)
        );
    }

    /// However the homeserver orders them: it received this one when it was new.
    #[test]
    fn what_stands_behind_a_younger_one_is_no_history_for_that() {
        let mut late = event();
        late["origin_server_ts"] = json!((now() - TimeDelta::hours(1)).timestamp_millis());
        late["unsigned"]["age"] = json!(3_600_000);
        let mut batch = vec![decoded(&event()).unwrap(), decoded(&late).unwrap()];
        order_receipts(&mut batch);
        assert!(batch[1].received_at > batch[0].received_at);
        assert!(!batch[1].is_historical);
        late["unsigned"]["age"] = json!(500);
        assert!(decoded(&late).unwrap().is_historical);
    }
}

//! What must hold of whatever a homeserver sends, from the bytes of a push to the
//! facts of the fold. The fuzzer runs it on what it makes up, `tests/seeds.rs` on
//! the seeds.

pub mod html;
pub mod strings;

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use tributary::{
    fold,
    matrix::{decode, ephemeral, transaction::Transaction},
    model::incoming::IncomingEvent,
};

/// The room that `/messages` was asked for.
const ROOM: &str = "!asked:example.org";
/// Fields that hold an identifier, in events, facts and ephemeral parts alike.
const IDS: [&str; 13] = [
    "event_id",
    "event_type",
    "redacts",
    "replaces",
    "replaces_state",
    "reply_to",
    "room_id",
    "sender",
    "state_key",
    "target",
    "thread_root",
    "user_id",
    "user_ids",
];
/// Those that may be empty: a redaction known only by its target has no sender.
const EMPTY: [&str; 2] = ["sender", "state_key"];

/// Takes the bytes in as the body of a push, and as one event of `/messages`.
///
/// # Panics
///
/// When something does not hold.
pub fn check(body: &[u8]) {
    if let Ok(raw) = serde_json::from_slice::<&RawValue>(body) {
        event(raw, Some(ROOM));
    }
    if let Ok(transaction) = Transaction::parse(body) {
        push(&transaction);
    }
}

fn push(transaction: &Transaction<'_>) {
    let decoded: Vec<_> = transaction
        .events
        .iter()
        .map(|raw| event(raw, None))
        .collect();
    let ids = || {
        decoded
            .iter()
            .map(|event| event.as_ref().map(|event| &event.event_id))
    };
    assert_eq!(transaction.digest(ids()), transaction.digest(ids()));

    let mut events: Vec<_> = decoded.iter().flatten().cloned().collect();
    decode::order_receipts(&mut events);
    let rising = |pair: &[IncomingEvent]| pair[0].received_at < pair[1].received_at;
    assert!(events.windows(2).all(rising), "receipt times do not rise");
    events.iter().for_each(facts);

    for part in &transaction.ephemeral {
        ephemeral::decode(part).iter().for_each(storable);
    }
}

/// One event, decoded and folded; none when it is not one.
fn event(raw: &RawValue, room_id: Option<&str>) -> Option<IncomingEvent> {
    let decoded = decode::decode(raw, room_id, now());
    assert_eq!(decoded, decode::decode(raw, room_id, now()));
    nul_decides_nothing(raw, room_id, decoded.is_ok());
    match decoded {
        Ok(event) => {
            storable(&event);
            facts(&event);
            Some(event)
        }
        Err(undecodable) => {
            storable(&undecodable);
            None
        }
    }
}

/// With another character for U+0000 it is an event all the same, or none.
fn nul_decides_nothing(raw: &RawValue, room_id: Option<&str>, is_event: bool) {
    let other = raw.get().replace(r"\u0000", r"\ufffd");
    if other == raw.get() {
        return;
    }
    let other =
        RawValue::from_string(other).map(|raw| decode::decode(&raw, room_id, now()).is_ok());
    assert_eq!(other.ok(), Some(is_event), "U+0000 decides");
}

fn facts(event: &IncomingEvent) {
    let facts = fold::fold(event);
    assert_eq!(facts, fold::fold(event));
    facts.iter().flatten().for_each(storable);
}

/// Whether Postgres can hold it, and a web page show it. It is read through
/// `Debug`, so that a new kind of fact is checked without being named here.
fn storable(value: &impl Debug) {
    for (field, text) in strings::of(value) {
        assert!(!text.contains('\0'), "U+0000 in {field}");
        if IDS.contains(&field.as_str()) {
            let shortest = usize::from(!EMPTY.contains(&field.as_str()));
            assert!(
                (shortest..=255).contains(&text.len()),
                "{field} has {} bytes",
                text.len()
            );
        }
        if field == "formatted_body" {
            html::assert_harmless(&text);
        }
    }
}

/// A fixed time of arrival, since what fails has to fail again.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(1_790_000_000_000_000_000)
}

//! The JSON of a history's events, with a placeholder where an arrival has its name.

use serde_json::{Value, json};

use super::{
    content,
    history::{At, Copy, Event, ROOMS, Relation, Step, Target},
    hostile,
};

/// Stands in every name for what tells one arrival's copy of a history from another's.
pub(super) const TAG: &str = "%TAG%";
/// The bridge's bot.
pub(super) const BOT: &str = "@facebookbot:lab.local";
/// Who writes: ghosts, a customer and their own ghost, somebody without a bridge.
pub(super) const SENDERS: [&str; 5] = [
    "@facebook_2001:lab.local",
    "@facebook_2002:lab.local",
    "@alice:lab.local",
    "@facebook_1001:lab.local",
    "@stranger:lab.local",
];
/// A ghost that never says anything.
const SILENT: &str = "@facebook_2003:lab.local";
/// Who comes and goes: never a customer, since access depends on times of arrival.
const COMERS: [&str; 4] = [SENDERS[0], SILENT, SENDERS[3], SENDERS[4]];
const MEMBERSHIPS: [&str; 4] = ["join", "leave", "invite", "ban"];
/// Before every possible time of arrival.
const BEGIN: i64 = 1_700_000_000_000;
/// What cannot stand in a [`Value`].
const RAW: [(&str, &str); 4] = [
    ("\"%1e300%\"", "1e300"),
    ("\"%-1e300%\"", "-1e300"),
    ("\"%1e400%\"", "1e400"),
    ("\"%-1e400%\"", "-1e400"),
];
const DEPTHS: [(&str, usize); 2] = [("\"%DEEP124%\"", 124), ("\"%DEEP5000%\"", 5000)];

/// The events of a history, and behind them the pruned copies of some.
pub(super) fn of(steps: &[Step]) -> Vec<Event> {
    let mut values: Vec<Value> = Vec::new();
    for number in 0..steps.len() {
        let value = value(steps, number, &values);
        values.push(value);
    }
    let copies = (0..steps.len()).filter_map(|number| copy(steps, number, &values));
    let copies: Vec<_> = copies.collect();
    let originals = values
        .iter()
        .enumerate()
        .map(|(number, value)| event(number % ROOMS, value));
    originals.chain(copies).collect()
}

fn event(room: usize, value: &Value) -> Event {
    let mut json = value.to_string();
    for (marker, raw) in RAW {
        json = json.replace(marker, raw);
    }
    for (marker, depth) in DEPTHS {
        if json.contains(marker) {
            let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            json = json.replace(marker, &deep);
        }
    }
    Event {
        room,
        json,
        copy_of: None,
        is_optional: false,
    }
}

fn id(number: usize) -> String {
    format!("${number}-{TAG}")
}

/// The position of a target, in the same room.
fn position(number: usize, target: Target, steps: &[Step]) -> Option<usize> {
    let Target::Step(target) = target else {
        return None;
    };
    let position = target - target % ROOMS + number % ROOMS;
    (position < steps.len()).then_some(position)
}

fn target_id(number: usize, target: Target, steps: &[Step]) -> String {
    position(number, target, steps).map_or_else(|| format!("$nothing-{TAG}"), id)
}

fn mxc(media: usize) -> String {
    format!("mxc://lab.local/{TAG}-{media}")
}

fn time(at: &At) -> Value {
    match at {
        At::Second(second) => json!(BEGIN + second * 1000),
        At::Absurd(which) => [
            json!(-1),
            json!(0),
            json!(7_258_118_400_000_i64),
            json!("%1e300%"),
            json!("%-1e300%"),
            json!("%1e400%"),
            json!("%-1e400%"),
        ][*which]
            .clone(),
    }
}

fn value(steps: &[Step], number: usize, before: &[Value]) -> Value {
    let base = |kind: &str, sender: &str, at: &At, content: Value| {
        json!({
            "type": kind, "room_id": format!("!{}-{TAG}", number % ROOMS), "event_id": id(number),
            "sender": sender, "origin_server_ts": time(at), "content": content,
            "unsigned": {"age": number},
        })
    };
    let with_key = |mut event: Value, key: &str, replaces: &Option<Target>| {
        event["state_key"] = json!(key);
        if let Some(replaces) = replaces {
            event["unsigned"]["replaces_state"] = json!(target_id(number, *replaces, steps));
        }
        event
    };
    match &steps[number] {
        Step::Message {
            kind,
            sender,
            at,
            relation,
            media,
        } => {
            let (kind, mut content) = content::message(*kind, number, &mxc(*media));
            relate(&mut content, number, relation, steps);
            base(kind, SENDERS[*sender], at, content)
        }
        Step::Edit {
            target,
            other_sender,
            other_type,
            of_itself,
            content,
            at,
            media,
        } => {
            let (kind, sender) = edited(steps, number, *target, before);
            let kind = if *other_type { "m.sticker" } else { &kind };
            let sender = other_sender.map_or(sender.as_str(), |other| SENDERS[other]);
            let mut content = content::edit(*content, number, kind, &mxc(*media));
            let replaces = if *of_itself {
                id(number)
            } else {
                target_id(number, *target, steps)
            };
            content["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": replaces});
            base(kind, sender, at, content)
        }
        Step::Reaction {
            target,
            sender,
            key,
            at,
        } => {
            let key = ["👍", "❤️", "+1", "\u{0}"][*key];
            let target = target_id(number, *target, steps);
            let relation = json!({"rel_type": "m.annotation", "event_id": target, "key": key});
            let content = json!({ "m.relates_to": relation });
            base("m.reaction", SENDERS[*sender], at, content)
        }
        Step::Redaction {
            target,
            sender,
            place,
            at,
            ..
        } => {
            let mut event = base("m.room.redaction", SENDERS[*sender], at, json!({}));
            redact(&mut event, *place, &target_id(number, *target, steps));
            event
        }
        Step::Member {
            who,
            membership,
            name,
            avatar,
            at,
            replaces,
        } => {
            let content = member(*membership, *name, *avatar);
            let who = COMERS[*who];
            with_key(base("m.room.member", who, at, content), who, replaces)
        }
        Step::State {
            kind,
            value,
            at,
            replaces,
        } => {
            let (kind, content) = room_state(*kind, *value);
            with_key(base(kind, BOT, at, content), "", replaces)
        }
        Step::Hostile { which, at } => {
            let (_, content) = content::message(0, number, "");
            let mut event = base("m.room.message", SENDERS[which % 5], at, content);
            hostile::spoil(&mut event, *which, &id(number % 45));
            event
        }
    }
}

fn redact(event: &mut Value, place: usize, target: &str) {
    if place != 1 {
        event["redacts"] = json!(target);
    }
    if place != 0 {
        event["content"]["redacts"] = json!(target);
    }
}

fn member(membership: usize, name: usize, avatar: Option<usize>) -> Value {
    let names = [json!("One"), json!("Two"), json!(""), json!(5), json!(null)];
    let mut content = json!({"membership": MEMBERSHIPS[membership], "displayname": names[name]});
    if let Some(avatar) = avatar {
        content["avatar_url"] = json!(mxc(avatar));
    }
    content
}

fn room_state(kind: usize, value: usize) -> (&'static str, Value) {
    match kind {
        0 => {
            let name = [json!("A"), json!("B"), json!(""), json!(5)][value % 4].clone();
            ("m.room.name", json!({ "name": name }))
        }
        1 => (
            "m.room.topic",
            json!({"topic": format!("topic {}", value % 3)}),
        ),
        2 => ("m.room.avatar", json!({ "url": mxc(value) })),
        _ => {
            let members: Vec<_> = [BOT, SILENT, SENDERS[4]][..=value % 3].to_vec();
            let content = json!({ "service_members": members });
            ("io.element.functional_members", content)
        }
    }
}

fn relate(content: &mut Value, number: usize, relation: &Relation, steps: &[Step]) {
    let reply = |target| json!({ "event_id": target_id(number, target, steps) });
    match relation {
        Relation::Nothing => {}
        Relation::Reply(target) => {
            content["m.relates_to"] = json!({ "m.in_reply_to": reply(*target) });
        }
        Relation::Thread(target) => {
            content["m.relates_to"] = json!({
                "rel_type": "m.thread", "event_id": target_id(number, *target, steps),
                "is_falling_back": number.is_multiple_of(2), "m.in_reply_to": reply(*target),
            });
        }
    }
}

/// The type and sender of the event that an edit is of. Its target may come later in
/// the history than the edit; then its step says it.
fn edited(steps: &[Step], number: usize, target: Target, before: &[Value]) -> (String, String) {
    let Some(position) = position(number, target, steps) else {
        return ("m.room.message".to_owned(), SENDERS[0].to_owned());
    };
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    match (before.get(position), &steps[position]) {
        (Some(event), Step::Message { .. } | Step::Edit { .. }) => {
            (text(event, "type"), text(event, "sender"))
        }
        (None, Step::Message { kind, sender, .. }) => (
            content::message(*kind, 0, "").0.to_owned(),
            SENDERS[*sender].to_owned(),
        ),
        _ => ("m.room.message".to_owned(), SENDERS[0].to_owned()),
    }
}

/// The copy of a redacted event that the homeserver hands out afterwards.
fn copy(steps: &[Step], number: usize, values: &[Value]) -> Option<Event> {
    let Step::Redaction { target, copy, .. } = &steps[number] else {
        return None;
    };
    if *copy == Copy::None {
        return None;
    }
    let position = position(number, *target, steps).filter(|position| *position != number)?;
    let mut event = values[position].clone();
    let kind = event["type"].as_str()?.to_owned();
    event["content"] = content::pruned(&kind, &event["content"], *copy == Copy::Kept);
    if *copy == Copy::Empty {
        event.as_object_mut()?.remove("redacts");
    }
    let because = &values[number];
    if !event["unsigned"].is_object() {
        event["unsigned"] = json!({});
    }
    event["unsigned"]["redacted_because"] = because.clone();
    Some(Event {
        copy_of: Some([position, number]),
        is_optional: tells_nothing_new(&steps[position], &values[position]),
        ..self::event(number % ROOMS, &event)
    })
}

/// Whether the pruned copy of an event says nothing that the event and its redaction
/// don't say together. One of an event that could not be folded says that it was one.
fn tells_nothing_new(step: &Step, value: &Value) -> bool {
    let is_of_itself = value["content"]["m.relates_to"]["event_id"] == value["event_id"];
    match step {
        Step::Hostile { .. } => false,
        Step::Edit { .. } => !is_of_itself,
        _ => true,
    }
}

//! Messages as the API shows them, beside what the homeserver's history says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{people::Customer, stack::Stack};

/// A message and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) event_id: String,
    pub(super) at: DateTime<Utc>,
    pub(super) sender: String,
    pub(super) body: String,
    pub(super) edited: bool,
    pub(super) deleted: bool,
    /// Who has reacted, by key.
    pub(super) reactions: BTreeMap<String, BTreeSet<String>>,
}

/// What a customer is shown of each of their rooms, the oldest message first.
pub(super) async fn all(stack: &Stack, customer: &Customer) -> HashMap<String, Vec<Line>> {
    some(stack, customer, |_| true).await
}

/// The same of some of their rooms.
pub(super) async fn some(
    stack: &Stack,
    customer: &Customer,
    is_wanted: impl Fn(&str) -> bool,
) -> HashMap<String, Vec<Line>> {
    let session = stack.session(&customer.clerk);
    let mut rooms = HashMap::new();
    for listed in session.get_all("/api/conversations").await {
        if !is_wanted(listed["matrixRoomId"].as_str().unwrap()) {
            continue;
        }
        let path = format!("/api/conversations/{}", listed["id"].as_str().unwrap());
        let conversation = session.get(&path).await;
        let people: HashMap<_, _> = conversation["participants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|person| (text(person, "id"), text(person, "matrixUserId")))
            .collect();
        let messages = session.get_all(&format!("{path}/messages")).await;
        let lines = messages.iter().rev().map(|message| line(message, &people));
        rooms.insert(text(&listed, "matrixRoomId"), lines.collect());
    }
    rooms
}

fn line(message: &Value, people: &HashMap<String, String>) -> Line {
    let reactions = message["reactions"].as_array().unwrap().iter();
    let senders = |reaction: &Value| {
        let senders = reaction["senders"].as_array().unwrap().iter();
        senders
            .map(|id| people[id.as_str().unwrap()].clone())
            .collect()
    };
    Line {
        event_id: text(message, "matrixEventId"),
        at: text(message, "timestamp").parse().unwrap(),
        sender: people[message["sender"]["id"].as_str().unwrap()].clone(),
        body: text(message, "body"),
        edited: message["editedAt"].is_string(),
        deleted: message["deletedAt"].is_string(),
        reactions: reactions
            .map(|reaction| (text(reaction, "key"), senders(reaction)))
            .collect(),
    }
}

/// What should be shown of events, the newest first, down to that many messages.
pub(super) fn expected(events: &[Value], messages: usize) -> Vec<Line> {
    let mut lines = HashMap::new();
    let mut edits: HashMap<String, Vec<(i64, String, &Value)>> = HashMap::new();
    let mut reactions: HashMap<String, Vec<&Value>> = HashMap::new();
    for event in events {
        if lines.len() == messages {
            break;
        }
        let relation = &event["content"]["m.relates_to"];
        let target = relation["event_id"].as_str().unwrap_or_default().to_owned();
        match (event["type"].as_str().unwrap(), &relation["rel_type"]) {
            ("m.reaction", _) => reactions.entry(target).or_default().push(event),
            ("m.room.message", kind) if kind == "m.replace" => {
                let place = (event["origin_server_ts"].as_i64().unwrap(), id(event));
                let edit = (place.0, place.1, event);
                edits.entry(target).or_default().push(edit);
            }
            ("m.room.message", _) => {
                lines.insert(id(event), said(event));
            }
            _ => {}
        }
    }
    for (event_id, line) in &mut lines {
        if line.deleted {
            continue;
        }
        let own = edits.remove(event_id).unwrap_or_default().into_iter();
        let last = own
            .filter(|(_, _, edit)| edit["sender"] == line.sender)
            .max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        if let Some((_, _, edit)) = last {
            line.body = text(&edit["content"]["m.new_content"], "body");
            line.edited = true;
        }
        for reaction in reactions.remove(event_id).unwrap_or_default() {
            let key = text(&reaction["content"]["m.relates_to"], "key");
            let senders = line.reactions.entry(key).or_default();
            senders.insert(text(reaction, "sender"));
        }
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    lines.sort_by(|a, b| (a.at, &a.event_id).cmp(&(b.at, &b.event_id)));
    lines
}

/// A message before anything became of it; one that was taken back has no content.
fn said(event: &Value) -> Line {
    let at = event["origin_server_ts"].as_i64().unwrap();
    Line {
        event_id: id(event),
        at: DateTime::from_timestamp_millis(at).unwrap(),
        sender: text(event, "sender"),
        body: event["content"]["body"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        edited: false,
        deleted: event["unsigned"]["redacted_because"].is_object(),
        reactions: BTreeMap::new(),
    }
}

fn id(event: &Value) -> String {
    text(event, "event_id")
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().expect(key).to_owned()
}

//! What is shown and told, in words: a line can be compared at a glance.

use std::{collections::HashMap, fmt::Write as _};

use serde_json::Value;

/// The customer's first name.
pub(super) const SELF: &str = "ivy";

/// Who and what ids stand for.
#[derive(Default)]
pub(super) struct Words {
    /// Names by participant id.
    pub(super) names: HashMap<String, &'static str>,
    /// What messages said first, by id.
    said: HashMap<String, String>,
}

impl Words {
    /// A frame as one line.
    pub(super) fn frame(&mut self, frame: &Value) -> String {
        let data = &frame["data"];
        let name = |id: &Value| self.names[id.as_str().unwrap()];
        match frame["type"].as_str().unwrap() {
            "message.created" => {
                let message = &data["message"];
                let id = message["id"].as_str().unwrap().to_owned();
                let body = message["body"].as_str().unwrap().to_owned();
                self.said.insert(id, body);
                format!(
                    "created {}, {} unread",
                    self.message(message),
                    data["unreadCount"]
                )
            }
            "message.updated" => format!("updated {}", self.message(&data["message"])),
            "conversation.updated" => conversation(&data["conversation"]),
            "typing" => {
                let typing = data["participantIds"].as_array().unwrap().iter().map(name);
                format!("typing {}", typing.collect::<Vec<_>>().join(" "))
            }
            "receipt" => format!(
                "receipt {}: {}",
                name(&data["participantId"]),
                self.said[data["messageId"].as_str().unwrap()]
            ),
            other => panic!("{other}: {frame}"),
        }
    }

    /// A message as one line: who, what, and what has become of it.
    pub(super) fn message(&self, message: &Value) -> String {
        let name = |id: &Value| self.names[id.as_str().unwrap()];
        let mut line = format!(
            "{}: {}",
            name(&message["sender"]["id"]),
            message["body"].as_str().unwrap()
        );
        for attachment in message["attachments"].as_array().unwrap() {
            let text = |key: &str| attachment[key].as_str().unwrap_or("-").to_owned();
            let of = |key: &str| attachment[key].to_string().replace("null", "-");
            write!(
                line,
                " [{} {} {} {} B {}x{} {} ms {}]",
                text("kind"),
                text("filename"),
                text("mimeType"),
                of("size"),
                of("width"),
                of("height"),
                of("durationMs"),
                text("state"),
            )
            .unwrap();
        }
        for (key, mark) in [("editedAt", " (edited)"), ("deletedAt", "(deleted)")] {
            if message[key].is_string() {
                line.push_str(mark);
            }
        }
        for (key, word) in [("replyTo", "to"), ("threadRoot", "below")] {
            if let Some(other) = message[key].as_str() {
                write!(line, " ({word} {})", self.said[other]).unwrap();
            }
        }
        for reaction in message["reactions"].as_array().unwrap() {
            let senders = reaction["senders"].as_array().unwrap();
            assert_eq!(reaction["count"], senders.len(), "{reaction}");
            let senders: Vec<_> = senders.iter().map(name).collect();
            assert_eq!(reaction["mine"], senders.contains(&SELF), "{reaction}");
            write!(
                line,
                " {}{}",
                // bridgev2 adds the variation selector that makes them colourful.
                reaction["key"].as_str().unwrap().replace('\u{fe0f}', ""),
                senders.join("+")
            )
            .unwrap();
        }
        line
    }
}

/// A conversation as one line: title, unread count, and the others in it.
pub(super) fn conversation(conversation: &Value) -> String {
    let people = conversation["participants"].as_array().unwrap().iter();
    let mut people: Vec<_> = people
        .filter(|p| p["isSelf"] == false)
        .map(|p| p["displayName"].as_str().unwrap_or("?"))
        .collect();
    people.sort_unstable();
    format!(
        "conversation {}, {} unread, {}",
        conversation["title"].as_str().unwrap(),
        conversation["unreadCount"],
        people.join(" ")
    )
}

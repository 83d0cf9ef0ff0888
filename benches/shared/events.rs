//! What people write: mostly text, some replies, a few redactions.

use bytes::Bytes;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use tributary::clock::Clock;

const WORDS: [&str; 16] = [
    "ok", "haha", "see", "you", "tomorrow", "at", "the", "station", "did", "they", "answer",
    "about", "the", "flat?", "😀", "yes",
];
/// Every so many events one is a reply.
const REPLY: u32 = 6;
/// Every so many events one takes an earlier one back.
const REDACTION: u32 = 50;
/// Every so many messages one is the customer's own.
const OWN: u32 = 3;

/// Who talks where. A customer's rooms are direct chats, each with a ghost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) customers: usize,
    pub(crate) rooms: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            customers: 10,
            rooms: 50,
        }
    }
}

/// A direct chat.
pub(crate) struct Chat {
    pub(crate) room_id: String,
    pub(crate) customer: String,
    pub(crate) ghost: String,
    pub(crate) remote_id: String,
}

impl Shape {
    pub(crate) fn customer(number: usize) -> String {
        format!("@customer{number}:lab.local")
    }

    pub(crate) fn chats(self) -> impl Iterator<Item = Chat> {
        (0..self.rooms).map(move |number| {
            let remote_id = (100_000_000_000_000 + number).to_string();
            Chat {
                room_id: format!("!bench{number:014}:lab.local"),
                customer: Self::customer(number % self.customers),
                ghost: format!("@facebook_{remote_id}:lab.local"),
                remote_id,
            }
        })
    }
}

/// Makes events, each only once, and the same ones in every run but for the time.
pub(crate) struct Events {
    chats: Vec<(Chat, Vec<String>)>,
    random: StdRng,
    made: u64,
}

impl Events {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            chats: shape.chats().map(|chat| (chat, Vec::new())).collect(),
            random: StdRng::seed_from_u64(29_330),
            made: 0,
        }
    }

    /// The body of a transaction with so many events.
    pub(crate) fn transaction(&mut self, events: usize) -> Bytes {
        let events: Vec<_> = (0..events).map(|_| self.event()).collect();
        Bytes::from(json!({ "events": events }).to_string())
    }

    fn event(&mut self) -> Value {
        self.made += 1;
        let event_id = format!("${:043}", self.made);
        let number = self.random.random_range(0..self.chats.len());
        let (chat, earlier) = &mut self.chats[number];
        let random = &mut self.random;
        let sender = if random.random_ratio(1, OWN) {
            &chat.customer
        } else {
            &chat.ghost
        };
        let mut event = match earlier.last().cloned() {
            Some(target) if random.random_ratio(1, REDACTION) => {
                earlier.pop();
                redaction(&target)
            }
            Some(target) if random.random_ratio(1, REPLY) => message(random, Some(&target)),
            _ => message(random, None),
        };
        if event["type"] == "m.room.message" {
            earlier.push(event_id.clone());
        }
        event["event_id"] = event_id.into();
        event["room_id"] = chat.room_id.as_str().into();
        event["sender"] = sender.as_str().into();
        event["user_id"] = sender.as_str().into();
        event["origin_server_ts"] = Clock::system().now().timestamp_millis().into();
        event["age"] = 87.into();
        event["unsigned"] = json!({ "age": 87 });
        event
    }
}

fn message(random: &mut StdRng, reply_to: Option<&str>) -> Value {
    let length = random.random_range(1..24);
    let words: Vec<_> = (0..length)
        .filter_map(|_| WORDS.choose(random).copied())
        .collect();
    let mut content = json!({
        "msgtype": "m.text", "body": words.join(" "), "m.mentions": {},
        "fi.mau.double_puppet_source": "mautrix-meta",
    });
    if let Some(event_id) = reply_to {
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": event_id } });
    }
    json!({ "type": "m.room.message", "content": content })
}

fn redaction(redacts: &str) -> Value {
    json!({ "type": "m.room.redaction", "redacts": redacts, "content": { "redacts": redacts } })
}

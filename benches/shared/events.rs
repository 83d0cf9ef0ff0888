//! What people do in Messenger, as its bridge sends it and Synapse pushes it.

use std::collections::VecDeque;

use bytes::Bytes;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use tributary::clock::Clock;

const WORDS: [&str; 16] = [
    "ok", "haha", "see", "you", "tomorrow", "at", "the", "station", "did", "they", "answer",
    "about", "the", "flat?", "😀", "yes",
];
const KEYS: [&str; 4] = ["❤️", "😆", "👍", "😮"];
/// Every so many events one is the customer's own.
const OWN: u32 = 3;
/// So many of a room's last messages are reacted to, edited and taken back.
const REMEMBERED: usize = 20;

/// Of a hundred events so many are of each kind; the others are texts.
const MIX: [(Kind, u32); 6] = [
    (Kind::Reply, 10),
    (Kind::Reaction, 8),
    (Kind::Edit, 5),
    (Kind::Image, 3),
    (Kind::Redaction, 2),
    (Kind::Member, 2),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Reply,
    Reaction,
    Edit,
    Image,
    Redaction,
    Member,
}

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

/// The body of a transaction, and what is in it.
pub(crate) struct Push {
    pub(crate) body: Bytes,
    /// The room and the id of each event.
    pub(crate) events: Vec<(String, String)>,
    /// The ids of those that are new messages.
    pub(crate) messages: Vec<String>,
}

/// Makes events, each only once, and the same ones in every run but for the time.
pub(crate) struct Events {
    talks: Vec<Talk>,
    random: StdRng,
    made: u64,
}

/// What is going on in a chat.
struct Talk {
    chat: Chat,
    said: VecDeque<Said>,
    /// The ghost's last membership.
    member: Option<String>,
}

#[derive(Clone)]
struct Said {
    event_id: String,
    is_own: bool,
    /// Whether something is about it. What is taken back has nothing, so that each event
    /// leaves something that can be looked for.
    is_touched: bool,
}

impl Events {
    pub(crate) fn new(shape: Shape) -> Self {
        let talk = |chat| Talk {
            chat,
            said: VecDeque::new(),
            member: None,
        };
        Self {
            talks: shape.chats().map(talk).collect(),
            random: StdRng::seed_from_u64(29_330),
            made: 0,
        }
    }

    /// Leaves out what somebody may have made before.
    pub(crate) fn begin_after(&mut self, made: u64) {
        self.made = made;
    }

    /// The body of a transaction with so many events.
    pub(crate) fn transaction(&mut self, events: usize) -> Bytes {
        self.push(events).body
    }

    /// A transaction with so many events.
    pub(crate) fn push(&mut self, events: usize) -> Push {
        let events: Vec<_> = (0..events).map(|_| self.event()).collect();
        let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let is_new = |event: &&Value| {
            event["type"] == "m.room.message"
                && event["content"]["m.relates_to"]["rel_type"] != "m.replace"
        };
        Push {
            events: events
                .iter()
                .map(|event| (text(&event["room_id"]), text(&event["event_id"])))
                .collect(),
            messages: events
                .iter()
                .filter(is_new)
                .map(|event| text(&event["event_id"]))
                .collect(),
            body: Bytes::from(json!({ "events": events }).to_string()),
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Value {
        self.made += 1;
        let event_id = format!("${:043}", self.made);
        let number = self.random.random_range(0..self.talks.len());
        let kind = self.kind();
        let talk = &mut self.talks[number];
        let (is_own, mut event) = talk.event(kind, &event_id, &mut self.random);
        let sender = if is_own {
            &talk.chat.customer
        } else {
            &talk.chat.ghost
        };
        event["event_id"] = event_id.into();
        event["room_id"] = talk.chat.room_id.as_str().into();
        event["sender"] = sender.as_str().into();
        event["user_id"] = sender.as_str().into();
        event["origin_server_ts"] = Clock::system().now().timestamp_millis().into();
        event["age"] = 87.into();
        event["unsigned"]["age"] = 87.into();
        event
    }

    fn kind(&mut self) -> Kind {
        let mut left = self.random.random_range(0..100);
        for (kind, percent) in MIX {
            if left < percent {
                return kind;
            }
            left -= percent;
        }
        Kind::Text
    }
}

impl Talk {
    /// An event, and whether the customer sends it.
    fn event(&mut self, kind: Kind, event_id: &str, random: &mut StdRng) -> (bool, Value) {
        let is_own = random.random_ratio(1, OWN);
        let event = match (kind, self.said.back_mut()) {
            (Kind::Reaction, Some(target)) => {
                target.is_touched = true;
                reaction(random, &target.event_id)
            }
            (Kind::Edit, Some(target)) => {
                target.is_touched = true;
                return (target.is_own, edit(random, &target.event_id));
            }
            (Kind::Redaction, Some(_)) => {
                let untouched = self.said.iter().rposition(|said| !said.is_touched);
                match untouched.and_then(|at| self.said.remove(at)) {
                    Some(target) => return (target.is_own, redaction(&target.event_id)),
                    None => self.say(event_id, is_own, &text(random, None)),
                }
            }
            (Kind::Reply, Some(target)) => {
                let target = target.event_id.clone();
                self.say(event_id, is_own, &text(random, Some(&target)))
            }
            (Kind::Member, _) => {
                let replaces = self.member.replace(event_id.to_owned());
                return (false, member(random, &self.chat, replaces));
            }
            (Kind::Image, _) => self.say(event_id, is_own, &image(event_id)),
            _ => self.say(event_id, is_own, &text(random, None)),
        };
        (is_own, event)
    }

    fn say(&mut self, event_id: &str, is_own: bool, content: &Value) -> Value {
        self.said.push_back(Said {
            event_id: event_id.to_owned(),
            is_own,
            is_touched: false,
        });
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        json!({ "type": "m.room.message", "content": content })
    }
}

fn words(random: &mut StdRng) -> String {
    let length = random.random_range(1..24);
    let words: Vec<_> = (0..length)
        .filter_map(|_| WORDS.choose(random).copied())
        .collect();
    words.join(" ")
}

fn text(random: &mut StdRng, reply_to: Option<&str>) -> Value {
    let mut content = json!({
        "msgtype": "m.text", "body": words(random), "m.mentions": {},
        "fi.mau.double_puppet_source": "mautrix-meta",
    });
    if let Some(event_id) = reply_to {
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": event_id } });
    }
    content
}

fn image(event_id: &str) -> Value {
    let media_id = &event_id[event_id.len() - 24..];
    json!({
        "msgtype": "m.image", "body": "image.jpg", "filename": "image.jpg", "m.mentions": {},
        "info": { "h": 1080, "w": 810, "mimetype": "image/jpeg", "size": 91_037 },
        "url": format!("mxc://lab.local/{media_id}"),
    })
}

fn edit(random: &mut StdRng, target: &str) -> Value {
    let body = words(random);
    json!({ "type": "m.room.message", "content": {
        "msgtype": "m.text", "body": format!("* {body}"), "m.mentions": {},
        "m.new_content": { "msgtype": "m.text", "body": body, "m.mentions": {} },
        "m.relates_to": { "rel_type": "m.replace", "event_id": target },
    }})
}

fn reaction(random: &mut StdRng, target: &str) -> Value {
    json!({ "type": "m.reaction", "content": { "m.relates_to": {
        "rel_type": "m.annotation", "event_id": target, "key": KEYS.choose(random),
    }}})
}

fn redaction(redacts: &str) -> Value {
    json!({ "type": "m.room.redaction", "redacts": redacts, "content": { "redacts": redacts } })
}

/// The ghost's profile again, one time of two with another name.
fn member(random: &mut StdRng, chat: &Chat, replaces: Option<String>) -> Value {
    let name = if random.random_ratio(1, 2) {
        "Sam Miller"
    } else {
        "Sam"
    };
    let content = json!({ "membership": "join", "displayname": name });
    let mut event = json!({
        "type": "m.room.member", "state_key": chat.ghost, "content": content, "unsigned": {},
    });
    if let Some(replaces) = replaces {
        event["replaces_state"] = replaces.as_str().into();
        event["prev_content"] = content.clone();
        event["unsigned"] = json!({ "replaces_state": replaces, "prev_content": content });
    }
    event
}

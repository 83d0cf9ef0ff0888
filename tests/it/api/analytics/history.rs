//! Random histories, as raw rows: several rooms and connections, grants that begin and end,
//! times that tie, redacted messages, people in several conversations, a bot.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tributary::model::new_id;
use uuid::Uuid;

pub(super) const USER: &str = "user_alice";
const OTHER_USER: &str = "user_bob";
/// Everybody who may write: alice, her other account, her own ghost, bob, three friends,
/// and the bridge's bot.
const WRITERS: [(&str, Option<&str>, bool); 8] = [
    ("@alice:lab.local", None, false),
    ("@alice2:lab.local", None, false),
    ("@facebook_100:lab.local", Some("100"), false),
    ("@bob:lab.local", None, false),
    ("@facebook_1:lab.local", Some("1"), false),
    ("@facebook_2:lab.local", Some("2"), false),
    ("@facebook_3:lab.local", Some("3"), false),
    ("@facebookbot:lab.local", None, true),
];
const OWN: usize = 3;

/// Somebody in a conversation.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) matrix_user_id: &'static str,
    pub(super) is_self: bool,
    pub(super) is_service: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Grant {
    user_id: &'static str,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) event_id: String,
    pub(super) sender: Person,
    pub(super) timestamp: DateTime<Utc>,
    received: DateTime<Utc>,
    pub(super) is_deleted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Room {
    id: String,
    grants: Vec<Grant>,
    messages: Vec<Message>,
}

#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) id: Uuid,
    people: Vec<Person>,
    rooms: Vec<Room>,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) conversations: Vec<Conversation>,
}

impl Conversation {
    fn is_of(&self, user_id: &str) -> bool {
        let grants = self.rooms.iter().flat_map(|room| &room.grants);
        grants.into_iter().any(|grant| grant.user_id == user_id)
    }

    /// Whether it is in Alice's list.
    pub(super) fn is_listed(&self) -> bool {
        self.is_of(USER)
    }

    /// How many messages it has.
    pub(super) fn all(&self) -> usize {
        self.rooms.iter().map(|room| room.messages.len()).sum()
    }

    /// What Alice may see of it, in no order.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Message> {
        self.rooms.iter().flat_map(|room| {
            room.messages.iter().filter(|message| {
                room.grants.iter().any(|grant| {
                    grant.user_id == USER
                        && grant.from.is_none_or(|from| message.received >= from)
                        && grant.until.is_none_or(|until| message.received <= until)
                })
            })
        })
    }
}

/// The first moment of every history: two days later clocks are set back in Berlin.
fn beginning() -> DateTime<Utc> {
    "2025-10-24T12:00:00Z".parse().unwrap()
}

impl History {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let conversations = (0..rng.random_range(1..=4)).map(|_| conversation(&mut rng));
        Self {
            conversations: conversations.collect(),
        }
    }

    /// The rows, as SQL.
    pub(super) fn sql(&self) -> String {
        let mut sql = String::new();
        for conversation in &self.conversations {
            conversation.sql(&mut sql);
        }
        sql
    }
}

/// Within three days, often at the same second as others.
fn time(rng: &mut StdRng) -> DateTime<Utc> {
    let scale = *[10, 3_600, 3 * 86_400].choose(rng).unwrap();
    beginning() + TimeDelta::milliseconds(rng.random_range(0..scale) * 1000)
}

fn conversation(rng: &mut StdRng) -> Conversation {
    let people: Vec<_> = WRITERS
        .iter()
        .enumerate()
        .map(|(nth, &(matrix_user_id, _, is_service))| Person {
            id: new_id(),
            matrix_user_id,
            is_self: nth < OWN,
            is_service,
        })
        .collect();
    let rooms = (0..rng.random_range(1..=2)).map(|_| room(rng, &people));
    Conversation {
        id: new_id(),
        rooms: rooms.collect(),
        people,
    }
}

fn room(rng: &mut StdRng, people: &[Person]) -> Room {
    let bounds = |rng: &mut StdRng| match rng.random_range(0..6) {
        0..3 => (None, None),
        3 => (Some(time(rng)), None),
        4 => (None, Some(time(rng))),
        _ => (Some(time(rng)), Some(time(rng))),
    };
    let mut grants = Vec::new();
    for user_id in [USER, USER, OTHER_USER] {
        if rng.random_bool(0.6) {
            let (from, until) = bounds(rng);
            grants.push(Grant {
                user_id,
                from,
                until,
            });
        }
    }
    let messages = (0..rng.random_range(0..40)).map(|_| message(rng, people));
    Room {
        id: format!("!{}", new_id().simple()),
        messages: messages.collect(),
        grants,
    }
}

fn message(rng: &mut StdRng, people: &[Person]) -> Message {
    let timestamp = time(rng);
    Message {
        // Random, so that ties are in no order of insertion, and of both cases: bytes decide.
        event_id: format!(
            "${}{:x}",
            *["a", "B", "c"].choose(rng).unwrap(),
            rng.random::<u64>()
        ),
        sender: people.choose(rng).unwrap().clone(),
        timestamp,
        received: timestamp + TimeDelta::seconds(rng.random_range(0..100)),
        is_deleted: rng.random_bool(0.15),
    }
}

fn quoted(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "NULL".to_owned(), |at| format!("'{}'", at.to_rfc3339()))
}

impl Conversation {
    fn sql(&self, sql: &mut String) {
        let id = self.id;
        write!(
            sql,
            "INSERT INTO tributary.conversations
                 (id, bridge_id, network, protocol_id, channel_id, matrix_room_id)
             VALUES ('{id}', 'meta', 'facebook', 'facebookgo', '{id}', '{}');",
            self.rooms[0].id
        )
        .unwrap();
        for user_id in [USER, OTHER_USER]
            .into_iter()
            .filter(|user| self.is_of(user))
        {
            write!(
                sql,
                "INSERT INTO tributary.conversation_access (user_id, conversation_id, title)
                 VALUES ('{user_id}', '{id}', 'title of {id}');"
            )
            .unwrap();
        }
        for (person, (_, external_id, _)) in self.people.iter().zip(WRITERS) {
            let external_id = external_id.map_or("NULL".to_owned(), |id| format!("'{id}'"));
            write!(
                sql,
                "INSERT INTO tributary.participants
                     (id, conversation_id, matrix_user_id, external_id, display_name, is_service)
                 VALUES ('{}', '{id}', '{}', {external_id}, 'name of {}', {});",
                person.id, person.matrix_user_id, person.id, person.is_service
            )
            .unwrap();
        }
        for room in &self.rooms {
            room.sql(sql, id);
        }
    }
}

impl Room {
    fn sql(&self, sql: &mut String, conversation: Uuid) {
        let room_id = &self.id;
        write!(
            sql,
            "INSERT INTO tributary.rooms
                 (room_id, kind, bridge_id, protocol_id, channel_id, conversation_id)
             VALUES ('{room_id}', 'portal', 'meta', 'facebookgo', '{conversation}', '{conversation}');"
        )
        .unwrap();
        for (nth, grant) in self.grants.iter().enumerate() {
            // Each of Alice's two through another one of her connections.
            write!(
                sql,
                "INSERT INTO tributary.room_grants
                     (connection_id, user_id, room_id, conversation_id, from_at, until_at)
                 SELECT id, user_id, '{room_id}', '{conversation}', {}, {}
                 FROM tributary.messenger_connections WHERE user_id = '{}'
                 ORDER BY id OFFSET {} LIMIT 1;",
                quoted(grant.from),
                quoted(grant.until),
                grant.user_id,
                usize::from(nth == 1 && grant.user_id == USER),
            )
            .unwrap();
        }
        for message in &self.messages {
            let at = message.timestamp.to_rfc3339();
            let deleted = message.is_deleted.then_some(message.timestamp);
            write!(
                sql,
                "INSERT INTO tributary.messages (id, conversation_id, room_id, event_id, sender_id,
                     sender, event_type, type, body, origin_server_ts, timestamp, received_at,
                     historical, deleted_at)
                 VALUES ('{}', '{conversation}', '{room_id}', '{}', '{}', '{}', 'm.room.message',
                     'm.text', 'x', 0, '{at}', '{}', false, {});",
                new_id(),
                message.event_id,
                message.sender.id,
                message.sender.matrix_user_id,
                message.received.to_rfc3339(),
                quoted(deleted),
            )
            .unwrap();
        }
    }
}

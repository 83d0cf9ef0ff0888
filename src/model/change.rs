//! What the fold makes of an event: facts, keyed by event id, that commute.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// A fact. The stored state is a function of the set of facts, whatever their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A message exists.
    Message(Message),
    /// A message has another version.
    Edit(Edit),
    /// Somebody reacted to an event.
    Reaction(Reaction),
    /// A state event exists.
    State(State),
    /// An event is redacted, for ever, whether it is known yet or not.
    Redaction(Redaction),
}

/// A message, as its own event tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its event id.
    pub event_id: String,
    /// Its room.
    pub room_id: String,
    /// Its sender's Matrix id.
    pub sender: String,
    /// The event's type, which is all that a redaction leaves of [`Shown::kind`].
    pub event_type: String,
    /// What it shows.
    pub shown: Shown,
    /// Milliseconds since 1970, raw.
    pub origin_server_ts: i64,
    /// The shown time.
    pub timestamp: DateTime<Utc>,
    /// When the homeserver received it.
    pub received_at: DateTime<Utc>,
    /// `m.in_reply_to`, unless it is a thread's fallback.
    pub reply_to: Option<String>,
    /// The root of the thread it is in.
    pub thread_root: Option<String>,
    /// Whether it reached the homeserver long after its own time.
    pub historical: bool,
}

/// What a message, or one version of it, shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// `msgtype`, or the event's type where there is none.
    pub kind: String,
    /// The plain body; empty for what nobody can read.
    pub body: String,
    /// `formatted_body`, made safe for a web page.
    pub formatted_body: Option<String>,
    /// The whole content.
    pub content: Value,
    /// The file that came with it.
    pub attachment: Option<Attachment>,
}

/// A file that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it is: `mxc://<server>/<media id>`.
    pub mxc: String,
    /// `image`, `video`, `audio`, `voice`, `file` or `sticker`.
    pub kind: &'static str,
    /// Its name.
    pub filename: Option<String>,
    /// Its MIME type, as the sender claims.
    pub mime_type: Option<String>,
    /// Bytes, as the sender claims.
    pub size: Option<i64>,
    /// Pixels.
    pub width: Option<i32>,
    /// Pixels.
    pub height: Option<i32>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// An `m.replace` of a message. Whether it is valid depends on its target, which
/// need not be known yet: sender and type have to be equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Its own event id.
    pub event_id: String,
    /// Its room.
    pub room_id: String,
    /// Its sender's Matrix id.
    pub sender: String,
    /// The event's type.
    pub event_type: String,
    /// The message that it replaces.
    pub replaces: String,
    /// What the message shows from then on: its `m.new_content`, without a relation.
    /// None where nobody can read it.
    pub shown: Option<Shown>,
    /// Milliseconds since 1970, raw: orders edits.
    pub origin_server_ts: i64,
    /// The shown time.
    pub timestamp: DateTime<Utc>,
    /// When the homeserver received it.
    pub received_at: DateTime<Utc>,
}

/// An `m.annotation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Its own event id.
    pub event_id: String,
    /// Its room.
    pub room_id: String,
    /// Who reacted.
    pub sender: String,
    /// The event that it is about.
    pub target: String,
    /// The emoji, or whatever the key is.
    pub key: String,
    /// Milliseconds since 1970, raw.
    pub origin_server_ts: i64,
    /// The shown time.
    pub timestamp: DateTime<Utc>,
    /// When the homeserver received it.
    pub received_at: DateTime<Utc>,
}

/// A state event of a kind that Tributary keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its event id.
    pub event_id: String,
    /// Its room.
    pub room_id: String,
    /// Its type.
    pub kind: String,
    /// Its state key.
    pub state_key: String,
    /// Its sender's Matrix id.
    pub sender: String,
    /// Milliseconds since 1970, raw.
    pub origin_server_ts: i64,
    /// When the homeserver received it.
    pub received_at: DateTime<Utc>,
    /// The event that it replaces.
    pub replaces_state: Option<String>,
    /// Its content.
    pub content: Value,
}

/// A redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// The redaction's own event id.
    pub event_id: String,
    /// Its room.
    pub room_id: String,
    /// The event that it redacts.
    pub redacts: String,
    /// Its sender's Matrix id.
    pub sender: String,
    /// Milliseconds since 1970, raw.
    pub origin_server_ts: i64,
    /// The shown time.
    pub timestamp: DateTime<Utc>,
}

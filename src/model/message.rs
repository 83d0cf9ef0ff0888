//! Messages as the web app sees them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::participant::Participant;

/// A message, as one viewer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// Its conversation.
    pub conversation_id: Uuid,
    /// Its Matrix event.
    #[schema(example = "$Xw9dOxk0FtYKsKqzbrcm7ZpqV3n1yYB0S7nXu5JZP2M")]
    pub matrix_event_id: String,
    /// Who sent it.
    pub sender: Participant,
    /// `msgtype`, or the event's type.
    #[serde(rename = "type")]
    #[schema(example = "m.text")]
    pub kind: String,
    /// The plain text.
    pub body: String,
    /// HTML, safe to show.
    #[schema(required)]
    pub formatted_body: Option<String>,
    /// When it was sent.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub timestamp: DateTime<Utc>,
    /// When the shown version was written.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was redacted.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub deleted_at: Option<DateTime<Utc>>,
    /// The message it answers, when that is known.
    #[schema(required)]
    pub reply_to: Option<Uuid>,
    /// The root of its thread, when that is known.
    #[schema(required)]
    pub thread_root: Option<Uuid>,
    /// Who reacted, per key.
    pub reactions: Vec<Reaction>,
    /// Files that came with it.
    pub attachments: Vec<Attachment>,
    /// Whether it reached the homeserver more than ten minutes after its own time.
    pub historical: bool,
    /// When the homeserver received it, for whoever measures.
    #[serde(skip)]
    pub received_at: DateTime<Utc>,
}

/// A message with what only the one who asks for it alone is told.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FullMessage {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// The full content of the shown version; none once redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub content: Option<Value>,
    /// Of an edited message every version, the original first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
}

/// One version of an edited message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its Matrix event.
    pub event_id: String,
    /// The plain text.
    pub body: String,
    /// HTML, safe to show.
    #[schema(required)]
    pub formatted_body: Option<String>,
    /// When it was written.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub at: DateTime<Utc>,
}

/// Everybody who reacted with one key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// The emoji, or whatever the key is.
    pub key: String,
    /// How many reacted with it.
    #[schema(minimum = 1)]
    pub count: i64,
    /// Who, as participants.
    pub senders: Vec<Uuid>,
    /// Whether the viewer is one of them.
    pub mine: bool,
}

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Its id; nothing serves it yet.
    pub media_id: Uuid,
    /// What it is.
    #[schema(schema_with = super::words::attachment_kind)]
    pub kind: String,
    /// Its name.
    #[schema(required)]
    pub filename: Option<String>,
    /// Its MIME type.
    #[schema(required)]
    pub mime_type: Option<String>,
    /// Bytes.
    #[schema(required)]
    pub size: Option<i64>,
    /// Pixels.
    #[schema(required)]
    pub width: Option<i32>,
    /// Pixels.
    #[schema(required)]
    pub height: Option<i32>,
    /// Milliseconds.
    #[schema(required)]
    pub duration_ms: Option<i64>,
    /// How far the archive is with it.
    #[schema(schema_with = super::words::media_state)]
    pub state: String,
}

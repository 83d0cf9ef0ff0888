//! What a customer takes along: the lines of an export. The README of `contrib/import` and
//! `docs/export.md` say how they are read.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    connection::Connection,
    conversation::Conversation,
    message::{FullMessage, Version},
};

/// The version of this format. It rises when a reader of the one before would go wrong; what
/// is only added does not raise it.
pub const VERSION: u32 = 1;

/// A line of an export: an object whose `type` says what it is. A reader leaves out a type
/// that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type")]
// `rename_all` on each variant: what describes them does not know `rename_all_fields`.
pub enum ExportLine {
    /// The first line, also of one that goes on.
    #[serde(rename = "header", rename_all = "camelCase")]
    Header {
        /// The version of the format.
        version: u32,
        /// When it began.
        #[serde(serialize_with = "super::time::milliseconds")]
        exported_at: DateTime<Utc>,
        /// Whose it is: the Clerk user.
        user_id: String,
        /// Whether it goes on where another one ended.
        resumed: bool,
    },
    /// A message, as it is shown; by room, the oldest first.
    #[serde(rename = "message", rename_all = "camelCase")]
    Message {
        /// Goes on behind this line.
        cursor: String,
        /// The Matrix room that it was written in.
        room_id: String,
        /// As `GET /api/messages/{id}` answers it, without `versions`.
        message: Box<FullMessage>,
        /// Its files.
        media: Vec<ExportedFile>,
    },
    /// A version of an edited message, the original included.
    #[serde(rename = "version", rename_all = "camelCase")]
    Version {
        /// Goes on behind this line.
        cursor: String,
        /// The Matrix room that it was written in.
        room_id: String,
        /// The message.
        message_id: Uuid,
        /// As `GET /api/messages/{id}` lists it.
        version: Version,
        /// The event's full content.
        #[schema(value_type = Object)]
        content: Value,
        /// The files that came with this version.
        media: Vec<ExportedFile>,
    },
    /// A conversation.
    #[serde(rename = "conversation", rename_all = "camelCase")]
    Conversation {
        /// Goes on behind this line.
        cursor: String,
        /// As `GET /api/conversations/{id}` answers it, with its participants.
        conversation: Box<Conversation>,
        /// Its Matrix rooms: several when the bridge made it anew.
        room_ids: Vec<String>,
        /// How far it was read.
        read_marker: ReadMarker,
        /// Its picture and those of its participants.
        media: Vec<ExportedFile>,
    },
    /// A connection.
    #[serde(rename = "connection", rename_all = "camelCase")]
    Connection {
        /// Goes on behind this line.
        cursor: String,
        /// As `GET /api/messenger/status` lists it.
        connection: Box<Connection>,
    },
    /// The last line: without it something is missing.
    #[serde(rename = "end", rename_all = "camelCase")]
    End {
        /// What went before it, since this header.
        lines: LineCounts,
    },
}

/// How many lines of each type there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineCounts {
    /// Of `message`.
    pub message: u64,
    /// Of `version`.
    pub version: u64,
    /// Of `conversation`.
    pub conversation: u64,
    /// Of `connection`.
    pub connection: u64,
}

/// How far the exporting user has read a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadMarker {
    /// The newest event that an own message or receipt covers.
    #[schema(required)]
    pub event_id: Option<String>,
    /// Its time.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub timestamp: Option<DateTime<Utc>>,
    /// When all of it was last marked read.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub read_at: Option<DateTime<Utc>>,
}

/// A file or a picture: an entry of the manifest. The same one may belong to several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedFile {
    /// Its id.
    pub id: Uuid,
    /// `image`, `video`, `audio`, `voice`, `file` or `sticker`; null for a picture of a
    /// person or a conversation.
    #[schema(required)]
    pub kind: Option<String>,
    /// The name that it was sent with.
    #[schema(required)]
    pub file_name: Option<String>,
    /// Its MIME type: once it is stored what it is, before that what its sender said.
    #[schema(required)]
    pub mime_type: Option<String>,
    /// Bytes, known in the same way.
    #[schema(required)]
    pub size: Option<i64>,
    /// SHA-256 of what is stored, in hexadecimal.
    #[schema(required)]
    pub sha256: Option<String>,
    /// `pending`, `stored`, `too_large`, `forbidden`, `missing` or `failed`.
    pub state: String,
    /// Where it can be fetched, once it is stored: a path of this API.
    #[schema(required)]
    pub url: Option<String>,
}

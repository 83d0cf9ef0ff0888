//! Conversations as the web app sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{message::Message, participant::Participant};

/// A conversation, as one viewer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its id.
    pub id: Uuid,
    /// The Matrix room, the newest one if the portal was re-created.
    #[schema(example = "!portal:example.org")]
    pub matrix_room_id: String,
    /// The network it is on.
    #[schema(example = "facebook")]
    pub network: String,
    /// Its name, or in a direct chat the other person's.
    #[schema(required)]
    pub title: Option<String>,
    /// Where the picture is, once it is stored: null so far.
    #[schema(required)]
    pub avatar_url: Option<String>,
    /// Whether it is more than a direct chat.
    pub is_group: bool,
    /// The time of the newest message that the viewer may see.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub last_event_at: Option<DateTime<Utc>>,
    /// That message.
    #[schema(required)]
    pub last_message: Option<Message>,
    /// Other people's live messages that the viewer has not read.
    #[schema(minimum = 0)]
    pub unread_count: i32,
    /// Who is in it; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub participants: Option<Vec<Participant>>,
    /// When Tributary first knew it.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub created_at: DateTime<Utc>,
    /// When anything of it last changed.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub updated_at: DateTime<Utc>,
}

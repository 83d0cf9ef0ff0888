//! Dead letters as the operator sees them: never what is in them, since that is
//! people's private conversation.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An event of an ingested room that could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its id.
    pub id: Uuid,
    /// Its Matrix room.
    pub room_id: String,
    /// The room's conversation.
    #[schema(required)]
    pub conversation_id: Option<Uuid>,
    /// Its Matrix event.
    pub event_id: String,
    /// What is wrong with the event.
    pub error: String,
    /// How long the event's JSON is.
    #[schema(minimum = 0)]
    pub bytes: i32,
    /// When it arrived.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub created_at: DateTime<Utc>,
}

/// A dead letter that is gone, because its event was taken in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The letter.
    pub id: Uuid,
    /// Its Matrix room.
    pub room_id: String,
    /// Its Matrix event.
    pub event_id: String,
    /// What became of the event.
    pub outcome: Outcome,
}

/// What became of an event that was taken in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is where events of its kind go.
    Stored,
    /// Nothing of it is kept: its room is not ingested any more, nobody may see
    /// what the room received then, or it is of no use.
    Ignored,
}

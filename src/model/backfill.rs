//! Backfills as the operator sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A walk over a room's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backfill {
    /// Its id.
    pub id: Uuid,
    /// Its Matrix room.
    pub room_id: String,
    /// The room's conversation.
    #[schema(required)]
    pub conversation_id: Option<Uuid>,
    /// `waiting` is to be tried again.
    #[schema(schema_with = super::words::job_state)]
    pub state: String,
    /// Why it ended: `days`, `messages`, `start`, `cancelled`, ...
    #[schema(required)]
    pub reason: Option<String>,
    /// How many days it goes back, from now.
    pub days: Option<i64>,
    /// At how many messages it ends.
    pub max_messages: Option<i64>,
    /// Events read.
    #[schema(minimum = 0)]
    pub fetched: i64,
    /// Messages that were new.
    #[schema(minimum = 0)]
    pub stored: i64,
    /// The time of the oldest message read so far.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub oldest_at: Option<DateTime<Utc>>,
    /// Tries in a row that failed, without a page between them.
    #[schema(minimum = 0)]
    pub attempts: i32,
    /// Why the last try failed.
    #[schema(required)]
    pub error: Option<String>,
    /// When it was asked for.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub created_at: DateTime<Utc>,
    /// When it began.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done, failed or cancelled.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
}

//! Matrix rooms as the operator sees them: never what is in them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A room that Tributary knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// Its Matrix id.
    pub room_id: String,
    /// Its conversation; none while no customer was ever in it.
    #[schema(required)]
    pub conversation_id: Option<Uuid>,
    /// `unknown` was not looked at yet.
    #[schema(schema_with = super::words::room_kind)]
    pub kind: String,
    /// The bridge of a portal.
    #[schema(required)]
    pub bridge_id: Option<String>,
    /// What the bridge calls it.
    #[schema(required)]
    pub name: Option<String>,
    /// Whether it is ingested.
    pub enabled: bool,
    /// Whether its history comes in by itself, or only when the operator asks.
    pub backfill: bool,
    /// People and ghosts who are joined or invited.
    #[schema(minimum = 0)]
    pub members: i64,
    /// Clerk users who see what happens in it.
    #[schema(minimum = 0)]
    pub viewers: i64,
    /// When an event of it was last stored.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub last_event_at: Option<DateTime<Utc>>,
    /// Up to when its history was compared with what is stored.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub reconciled_at: Option<DateTime<Utc>>,
    /// When Tributary first heard of it.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub first_seen_at: DateTime<Utc>,
    /// The state of its latest backfill; none if there never was one.
    #[schema(required, schema_with = super::words::job_state_or_null)]
    pub backfill_state: Option<String>,
}

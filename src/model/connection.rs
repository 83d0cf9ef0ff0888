//! Connections as the web app sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// How a connection is doing, as the bridge last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Waiting for the login or for the code.
    Pending,
    /// The bridge is logged in.
    Connected,
    /// The bridge needs the customer.
    Error,
    /// Logged out, or unlinked.
    Disconnected,
}

impl Status {
    /// As it is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Connected => "CONNECTED",
            Self::Error => "ERROR",
            Self::Disconnected => "DISCONNECTED",
        }
    }

    /// Reads a status in any case; none for any other word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Connected,
            Self::Error,
            Self::Disconnected,
        ]
        .into_iter()
        .find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

/// A `MessengerConnection`: one Clerk user, one Matrix user, one bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// How it is doing.
    pub status: Status,
    /// The Matrix user, once it is known.
    #[schema(required)]
    pub matrix_user_id: Option<String>,
    /// The id on the network, once it is known.
    #[schema(required)]
    pub bridge_user_id: Option<String>,
    /// The name on the network.
    #[schema(required)]
    pub remote_name: Option<String>,
    /// What is wrong, in the bridge's words; `bridge_silent: ...` while the bridge itself does
    /// not answer.
    #[schema(required)]
    pub error: Option<String>,
    /// When an event of it was last stored.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub last_sync_at: Option<DateTime<Utc>>,
    /// How its history is coming in.
    pub backfill: BackfillSummary,
}

/// A `MessengerConnection` as the operator sees it, whoever's it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// The Clerk user; none while nobody has redeemed its code.
    #[schema(required)]
    pub user_id: Option<String>,
    /// The Matrix user, once it is known.
    #[schema(required)]
    pub matrix_user_id: Option<String>,
    /// The bridge, known together with the Matrix user.
    #[schema(required)]
    pub bridge_id: Option<String>,
    /// The id on the network, once it is known.
    #[schema(required)]
    pub bridge_user_id: Option<String>,
    /// The name on the network.
    #[schema(required)]
    pub remote_name: Option<String>,
    /// How it is doing.
    pub status: Status,
    /// What is wrong, in the bridge's words; `bridge_silent: ...` while the bridge itself does
    /// not answer.
    #[schema(required)]
    pub error: Option<String>,
    /// When it became the Clerk user's.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub linked_at: Option<DateTime<Utc>>,
    /// When the Clerk user let it go.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub disconnected_at: Option<DateTime<Utc>>,
    /// When an event of it was last stored.
    #[serde(serialize_with = "super::time::milliseconds_opt")]
    #[schema(required)]
    pub last_sync_at: Option<DateTime<Utc>>,
    /// When it was first heard of.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub created_at: DateTime<Utc>,
    /// How its history is coming in.
    pub backfill: BackfillSummary,
}

/// How the history of a connection's rooms is coming in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackfillSummary {
    /// Whether it is.
    #[schema(schema_with = super::words::history_state)]
    pub state: String,
    /// Rooms that it sees.
    #[schema(minimum = 0)]
    pub rooms_total: i64,
    /// Rooms whose history is in.
    #[schema(minimum = 0)]
    pub rooms_done: i64,
    /// Messages that backfills have stored; those that came by themselves are not counted.
    #[schema(minimum = 0)]
    pub messages: i64,
}

impl BackfillSummary {
    /// Of a connection's rooms: how many it sees, of how many the history is in or coming
    /// in, and the messages that this brought.
    #[must_use]
    pub fn new(rooms_total: i64, rooms_done: i64, rooms_active: i64, messages: i64) -> Self {
        let state = match (rooms_active, rooms_done) {
            (1.., _) => "running",
            (_, 1..) => "done",
            _ => "idle",
        };
        Self {
            state: state.to_owned(),
            rooms_total,
            rooms_done,
            messages,
        }
    }
}

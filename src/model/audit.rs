//! The audit as the operator reads it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who did what, when, from where, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// Its id.
    pub id: Uuid,
    /// When.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub at: DateTime<Utc>,
    /// A Clerk user id, `clerk`, `manager`, `admin`, `bridge:<id>`, `tributary` for its jobs, or
    /// `unknown` for a key that is none.
    #[schema(example = "admin")]
    pub actor: String,
    /// What was done.
    #[schema(example = "backfill.start")]
    pub action: String,
    /// To what: an id.
    #[schema(required)]
    pub target: Option<String>,
    /// The address it came from; none for what Tributary did by itself.
    #[schema(required)]
    pub origin: Option<String>,
    /// `ok`, or the `code` of the error; of a job that has ended its state, such as `done`.
    #[schema(example = "ok")]
    pub outcome: String,
    /// More of it.
    #[schema(value_type = Object)]
    pub details: Value,
}

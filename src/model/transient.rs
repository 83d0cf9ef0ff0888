//! Frames without a cursor: worth something now or never.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A frame without a cursor, and for whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transient {
    /// The Clerk users who may see it.
    pub user_ids: Vec<String>,
    /// What passes.
    pub kind: TransientKind,
}

/// What passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransientKind {
    /// Everybody who is typing.
    Typing {
        /// Where.
        conversation_id: Uuid,
        /// Who, the whole list.
        participant_ids: Vec<Uuid>,
    },
    /// How far somebody has read.
    Receipt {
        /// Where.
        conversation_id: Uuid,
        /// Who.
        participant_id: Uuid,
        /// Up to which message.
        message_id: Uuid,
    },
}

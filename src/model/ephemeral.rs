//! What passes without being an event: typing and receipts.

/// An ephemeral event that Tributary understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ephemeral {
    /// Everybody who types in a room.
    Typing {
        /// The room.
        room_id: String,
        /// The Matrix ids, the whole list.
        user_ids: Vec<String>,
    },
    /// How far somebody has read.
    Receipt(Receipt),
}

/// An `m.read` or `m.read.private` receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The room.
    pub room_id: String,
    /// Who has read.
    pub user_id: String,
    /// Up to which event.
    pub event_id: String,
    /// Milliseconds since 1970; 0 when it does not say.
    pub ts: i64,
    /// Whether it is for its owner alone.
    pub private: bool,
    /// Whether only the messages of one thread are read up to there.
    pub in_thread: bool,
}

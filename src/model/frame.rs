//! What a viewer is told, by id: the frame itself is made from the rows when it is sent.

use uuid::Uuid;

/// A row of a viewer's stream, before it has a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The Clerk user whose stream it is for.
    pub user_id: String,
    /// What happened.
    pub kind: FrameKind,
}

/// What happened, and to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A live message is new.
    MessageCreated {
        /// Its conversation.
        conversation_id: Uuid,
        /// The message.
        message_id: Uuid,
    },
    /// A message is no longer what it was.
    MessageUpdated {
        /// Its conversation.
        conversation_id: Uuid,
        /// The message.
        message_id: Uuid,
    },
    /// A conversation is new or no longer what it was.
    ConversationUpdated {
        /// The conversation.
        conversation_id: Uuid,
    },
    /// A conversation is gone for this viewer.
    ConversationRemoved {
        /// The conversation that was.
        conversation_id: Uuid,
    },
    /// A connection's status changed.
    ConnectionStatus {
        /// The connection.
        connection_id: Uuid,
    },
    /// History of a conversation came in.
    BackfillProgress {
        /// The conversation.
        conversation_id: Uuid,
    },
}

/// A stable name for each kind, as the outbox stores it and the wire says it.
impl FrameKind {
    /// The `type` on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageCreated { .. } => "message.created",
            Self::MessageUpdated { .. } => "message.updated",
            Self::ConversationUpdated { .. } => "conversation.updated",
            Self::ConversationRemoved { .. } => "conversation.removed",
            Self::ConnectionStatus { .. } => "connection.status",
            Self::BackfillProgress { .. } => "backfill.progress",
        }
    }

    /// The message that it shows, if it shows nothing else.
    #[must_use]
    pub fn message(&self) -> Option<Uuid> {
        match *self {
            Self::MessageCreated { message_id, .. } | Self::MessageUpdated { message_id, .. } => {
                Some(message_id)
            }
            _ => None,
        }
    }

    /// The ids it carries: conversation, message, connection.
    #[must_use]
    pub fn ids(&self) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
        match *self {
            Self::MessageCreated {
                conversation_id,
                message_id,
            }
            | Self::MessageUpdated {
                conversation_id,
                message_id,
            } => (Some(conversation_id), Some(message_id), None),
            Self::ConversationUpdated { conversation_id }
            | Self::ConversationRemoved { conversation_id }
            | Self::BackfillProgress { conversation_id } => (Some(conversation_id), None, None),
            Self::ConnectionStatus { connection_id } => (None, None, Some(connection_id)),
        }
    }

    /// The way back from a row; none for a row that a later version wrote.
    #[must_use]
    pub fn from_row(
        name: &str,
        conversation: Option<Uuid>,
        message: Option<Uuid>,
        connection: Option<Uuid>,
    ) -> Option<Self> {
        Some(match (name, conversation, message, connection) {
            ("message.created", Some(conversation_id), Some(message_id), _) => {
                Self::MessageCreated {
                    conversation_id,
                    message_id,
                }
            }
            ("message.updated", Some(conversation_id), Some(message_id), _) => {
                Self::MessageUpdated {
                    conversation_id,
                    message_id,
                }
            }
            ("conversation.updated", Some(conversation_id), ..) => {
                Self::ConversationUpdated { conversation_id }
            }
            ("conversation.removed", Some(conversation_id), ..) => {
                Self::ConversationRemoved { conversation_id }
            }
            ("backfill.progress", Some(conversation_id), ..) => {
                Self::BackfillProgress { conversation_id }
            }
            ("connection.status", _, _, Some(connection_id)) => {
                Self::ConnectionStatus { connection_id }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::new_id;

    #[test]
    fn every_kind_survives_its_row() {
        let (conversation_id, message_id, connection_id) = (new_id(), new_id(), new_id());
        for kind in [
            FrameKind::MessageCreated {
                conversation_id,
                message_id,
            },
            FrameKind::MessageUpdated {
                conversation_id,
                message_id,
            },
            FrameKind::ConversationUpdated { conversation_id },
            FrameKind::ConversationRemoved { conversation_id },
            FrameKind::ConnectionStatus { connection_id },
            FrameKind::BackfillProgress { conversation_id },
        ] {
            let (conversation, message, connection) = kind.ids();
            assert_eq!(
                FrameKind::from_row(kind.name(), conversation, message, connection),
                Some(kind)
            );
        }
        assert_eq!(
            FrameKind::from_row("message.created", None, None, None),
            None
        );
    }
}

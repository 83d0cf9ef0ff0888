//! The frames, both ways: one JSON object each.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    db::read::backfill::Progress,
    model::{
        connection::Status, conversation::Conversation, message::Message, time,
        transient::TransientKind,
    },
};

/// The longest frame that a client may send, in bytes.
pub(super) const MAX_CLIENT_FRAME: usize = 64 * 1024;

/// A frame to the client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServerFrame {
    /// `type` and `data`.
    #[serde(flatten)]
    pub event: Event,
    /// Where the stream stands once the client has this frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cursor: Option<String>,
    /// When it happened.
    #[serde(serialize_with = "time::milliseconds")]
    pub at: DateTime<Utc>,
}

/// What a frame says.
#[derive(Debug, Serialize, ToSchema)]
// `rename_all` on each variant: what describes them does not know `rename_all_fields`.
#[serde(tag = "type", content = "data")]
pub(super) enum Event {
    /// The first frame of every socket.
    #[serde(rename = "hello", rename_all = "camelCase")]
    Hello {
        /// Clerk's session, the one a renewing token has to be of.
        session_id: String,
        heartbeat_seconds: u64,
        /// Whether everything after the client's cursor follows.
        resumed: bool,
    },
    /// What was missed has been sent: from now on frames come as things happen.
    #[serde(rename = "live")]
    Live {},
    /// Nothing can be replayed: load the list again and go on from this frame's cursor.
    #[serde(rename = "resync", rename_all = "camelCase")]
    Resync { reason: Reason },
    /// A live message is new.
    #[serde(rename = "message.created", rename_all = "camelCase")]
    MessageCreated {
        conversation_id: Uuid,
        message: Box<Message>,
        unread_count: i32,
    },
    /// Edited, redacted, or other reactions.
    #[serde(rename = "message.updated", rename_all = "camelCase")]
    MessageUpdated {
        conversation_id: Uuid,
        message: Box<Message>,
    },
    /// New, renamed, read, other members, history came in; with `participants`.
    #[serde(rename = "conversation.updated", rename_all = "camelCase")]
    ConversationUpdated { conversation: Box<Conversation> },
    /// Purged, or part of another one.
    #[serde(rename = "conversation.removed", rename_all = "camelCase")]
    ConversationRemoved { conversation_id: Uuid },
    /// The bridge says how a connection is.
    #[serde(rename = "connection.status", rename_all = "camelCase")]
    ConnectionStatus {
        status: Status,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        error: Option<String>,
        connection_id: Uuid,
    },
    /// History of a conversation comes in.
    #[serde(rename = "backfill.progress")]
    BackfillProgress(Progress),
    /// All who type now; without a cursor.
    #[serde(rename = "typing", rename_all = "camelCase")]
    Typing {
        conversation_id: Uuid,
        participant_ids: Vec<Uuid>,
    },
    /// Read up to there; without a cursor.
    #[serde(rename = "receipt", rename_all = "camelCase")]
    Receipt {
        conversation_id: Uuid,
        participant_id: Uuid,
        message_id: Uuid,
    },
    /// The answer to `auth`.
    #[serde(rename = "authed", rename_all = "camelCase")]
    Authed {
        #[serde(serialize_with = "time::milliseconds")]
        expires_at: DateTime<Utc>,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {},
}

/// Why there is no replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reason {
    /// Never a cursor of this stream.
    Unknown,
    /// Of another user, or of another life of the database.
    Foreign,
    /// What followed it is no longer kept.
    Expired,
}

impl Reason {
    /// It on the wire.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
            Self::Expired => "expired",
        }
    }
}

impl ServerFrame {
    /// A frame that no cursor belongs to.
    pub(super) fn passing(event: Event, at: DateTime<Utc>) -> Self {
        Self {
            event,
            cursor: None,
            at,
        }
    }
}

impl From<&TransientKind> for Event {
    fn from(kind: &TransientKind) -> Self {
        match kind.clone() {
            TransientKind::Typing {
                conversation_id,
                participant_ids,
            } => Self::Typing {
                conversation_id,
                participant_ids,
            },
            TransientKind::Receipt {
                conversation_id,
                participant_id,
                message_id,
            } => Self::Receipt {
                conversation_id,
                participant_id,
                message_id,
            },
        }
    }
}

/// A frame from the client. Strict: what is not exactly this is malformed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ClientFrame {
    /// Renews the token.
    Auth {
        /// The new one.
        #[schema(value_type = String)]
        token: SecretString,
    },
    /// Asks for a `pong`: a browser cannot send a WebSocket ping.
    Ping {},
}

impl ClientFrame {
    /// Reads a frame; none for what is malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn wire(event: Event, cursor: Option<&str>) -> serde_json::Value {
        let at = Utc.timestamp_millis_opt(1_700_000_000_120).unwrap();
        let cursor = cursor.map(str::to_owned);
        serde_json::to_value(ServerFrame { event, cursor, at }).unwrap()
    }

    #[test]
    fn a_server_frame_is_flat_with_its_data_apart() {
        let hello = Event::Hello {
            session_id: "sess_1".into(),
            heartbeat_seconds: 25,
            resumed: false,
        };
        assert_eq!(
            wire(hello, Some("c")),
            json!({"type": "hello", "cursor": "c", "at": "2023-11-14T22:13:20.120Z",
                   "data": {"sessionId": "sess_1", "heartbeatSeconds": 25, "resumed": false}})
        );
        assert_eq!(
            wire(Event::Live {}, None),
            json!({"type": "live", "at": "2023-11-14T22:13:20.120Z", "data": {}})
        );
    }

    #[test]
    fn events_are_named_as_the_contract_says() {
        let id = Uuid::nil();
        let progress = Progress {
            connection_id: id,
            conversation_id: id,
            state: "running".into(),
            stored: 3,
            oldest_at: None,
        };
        let status = Event::ConnectionStatus {
            status: Status::Connected,
            error: None,
            connection_id: id,
        };
        for (event, expected) in [
            (
                Event::BackfillProgress(progress),
                json!(["backfill.progress", {"connectionId": id, "conversationId": id,
                       "state": "running", "stored": 3, "oldestAt": null}]),
            ),
            (
                status,
                json!(["connection.status", {"status": "CONNECTED", "connectionId": id}]),
            ),
            (
                Event::Resync {
                    reason: Reason::Expired,
                },
                json!(["resync", {"reason": "expired"}]),
            ),
            (
                Event::ConversationRemoved {
                    conversation_id: id,
                },
                json!(["conversation.removed", {"conversationId": id}]),
            ),
            (
                Event::Typing {
                    conversation_id: id,
                    participant_ids: vec![id],
                },
                json!(["typing", {"conversationId": id, "participantIds": [id]}]),
            ),
            (Event::Pong {}, json!(["pong", {}])),
        ] {
            let wire = wire(event, None);
            assert_eq!(json!([wire["type"], wire["data"]]), expected);
        }
    }

    #[test]
    fn a_client_says_auth_and_ping() {
        assert!(matches!(
            ClientFrame::parse(r#"{"type":"ping"}"#),
            Some(ClientFrame::Ping {})
        ));
        match ClientFrame::parse(r#"{"token":"a.b.c","type":"auth"}"#) {
            Some(ClientFrame::Auth { token }) => assert_eq!(token.expose_secret(), "a.b.c"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in [
            "",
            "ping",
            "[]",
            "null",
            "{}",
            r#"{"type":"Ping"}"#,
            r#"{"type":"other"}"#,
            r#"{"type":"auth"}"#,
            r#"{"type":"auth","token":1}"#,
            r#"{"type":"ping","x":1}"#,
            r#"{"type":"ping","type":"ping"}"#,
            r#"{"type":"ping"} x"#,
        ] {
            assert!(ClientFrame::parse(text).is_none(), "{text}");
        }
    }
}

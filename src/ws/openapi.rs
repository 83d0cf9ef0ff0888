//! The socket's part of `/openapi.json`: the frames' schemas, from the frames' own types.

use utoipa::OpenApi;

use super::{
    handshake,
    protocol::{ClientFrame, ServerFrame},
};

/// `GET /ws`, and the frames that pass on it.
#[derive(OpenApi)]
#[openapi(paths(handshake::open), components(schemas(ClientFrame, ServerFrame)))]
pub(super) struct Description;

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::{
        db::read::backfill::Progress,
        model::{
            connection::Status,
            conversation::Conversation,
            message::{Attachment, Message, Reaction},
            participant::Participant,
        },
        ws::protocol::{Event, Reason},
    };

    const ID: Uuid = Uuid::nil();
    const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

    /// Everything that may be missing is there, or nothing of it.
    struct Maker {
        is_full: bool,
    }

    impl Maker {
        fn some<T>(&self, value: T) -> Option<T> {
            self.is_full.then_some(value)
        }

        fn text(&self) -> Option<String> {
            self.some("text".to_owned())
        }

        fn participant(&self) -> Participant {
            Participant {
                id: ID,
                matrix_user_id: "@a:x".to_owned(),
                external_id: self.text(),
                display_name: self.text(),
                avatar_url: self.text(),
                is_self: true,
                membership: "join".to_owned(),
            }
        }

        fn message(&self) -> Message {
            let reaction = Reaction {
                key: "+".to_owned(),
                count: 1,
                senders: vec![ID],
                mine: true,
            };
            let attachment = Attachment {
                media_id: ID,
                kind: "image".to_owned(),
                filename: self.text(),
                mime_type: self.text(),
                size: self.some(1),
                width: self.some(1),
                height: self.some(1),
                duration_ms: self.some(1),
                state: "pending".to_owned(),
            };
            Message {
                id: ID,
                conversation_id: ID,
                matrix_event_id: "$e".to_owned(),
                sender: self.participant(),
                kind: "m.text".to_owned(),
                body: "hello".to_owned(),
                formatted_body: self.text(),
                timestamp: AT,
                edited_at: self.some(AT),
                deleted_at: self.some(AT),
                reply_to: self.some(ID),
                thread_root: self.some(ID),
                reactions: vec![reaction],
                attachments: vec![attachment],
                historical: false,
                received_at: AT,
            }
        }

        fn conversation(&self) -> Conversation {
            Conversation {
                id: ID,
                matrix_room_id: "!r:x".to_owned(),
                network: "facebook".to_owned(),
                title: self.text(),
                avatar_url: self.text(),
                is_group: false,
                last_event_at: self.some(AT),
                last_message: self.some(self.message()),
                unread_count: 0,
                participants: self.some(vec![self.participant()]),
                created_at: AT,
                updated_at: AT,
            }
        }

        fn progress(&self) -> Progress {
            Progress {
                connection_id: ID,
                conversation_id: ID,
                state: "running".to_owned(),
                stored: 1,
                oldest_at: self.some(AT),
            }
        }

        fn events(&self) -> Vec<Event> {
            let conversation_id = ID;
            vec![
                Event::Hello {
                    session_id: "sess_1".to_owned(),
                    heartbeat_seconds: 25,
                    resumed: true,
                },
                Event::Live {},
                Event::Resync {
                    reason: Reason::Expired,
                },
                Event::MessageCreated {
                    conversation_id,
                    message: Box::new(self.message()),
                    unread_count: 1,
                },
                Event::MessageUpdated {
                    conversation_id,
                    message: Box::new(self.message()),
                },
                Event::ConversationUpdated {
                    conversation: Box::new(self.conversation()),
                },
                Event::ConversationRemoved { conversation_id },
                Event::ConnectionStatus {
                    status: Status::Connected,
                    error: self.text(),
                    connection_id: ID,
                },
                Event::BackfillProgress(self.progress()),
                Event::Typing {
                    conversation_id,
                    participant_ids: vec![ID],
                },
                Event::Receipt {
                    conversation_id,
                    participant_id: ID,
                    message_id: ID,
                },
                Event::Authed { expires_at: AT },
                Event::Pong {},
            ]
        }
    }

    /// Whether a value is exactly what a schema describes, as far as these schemas go.
    fn fits(value: &Value, schema: &Value, all: &Value) -> bool {
        if let Some(to) = schema["$ref"].as_str() {
            let name = to.trim_start_matches("#/components/schemas/");
            return fits(value, &all[name], all);
        }
        if let Some(ways) = schema["oneOf"].as_array() {
            return ways.iter().filter(|way| fits(value, way, all)).count() == 1;
        }
        if let Some(values) = schema["enum"].as_array() {
            return values.contains(value);
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.clone(),
            kind => vec![kind.clone()],
        };
        kinds.iter().any(|kind| match (kind.as_str(), value) {
            (Some("null"), Value::Null)
            | (Some("string"), Value::String(_))
            | (Some("boolean"), Value::Bool(_))
            | (Some("integer"), Value::Number(_)) => true,
            (Some("array"), Value::Array(items)) => {
                items.iter().all(|item| fits(item, &schema["items"], all))
            }
            (Some("object"), Value::Object(fields)) => {
                let required = schema["required"].as_array().into_iter().flatten();
                let required: Vec<_> = required.filter_map(Value::as_str).collect();
                // What may be left out is left out, and not null.
                required.iter().all(|&name| fields.contains_key(name))
                    && fields.iter().all(|(name, field)| {
                        (!field.is_null() || required.contains(&name.as_str()))
                            && fits(field, &schema["properties"][name], all)
                    })
            }
            _ => false,
        })
    }

    #[test]
    fn what_is_sent_is_what_is_described() {
        let description = serde_json::to_value(Description::openapi()).unwrap();
        let all = &description["components"]["schemas"];
        for is_full in [false, true] {
            for event in (Maker { is_full }).events() {
                let sent = serde_json::to_value(&event).unwrap();
                assert!(fits(&sent, &all["Event"], all), "{sent:#}");
            }
        }
        let kinds = all["Event"]["oneOf"].as_array().unwrap().len();
        assert_eq!((Maker { is_full: true }).events().len(), kinds);
    }

    #[test]
    fn what_differs_does_not_fit() {
        let description = serde_json::to_value(Description::openapi()).unwrap();
        let all = &description["components"]["schemas"];
        let people = Maker { is_full: true }.participant();
        let mut person = serde_json::to_value(people).unwrap();
        assert!(fits(&person, &all["Participant"], all));
        person["isSelf"] = json!(null);
        assert!(!fits(&person, &all["Participant"], all), "null");
        person["isSelf"] = json!(true);
        person["unheard"] = json!(1);
        assert!(!fits(&person, &all["Participant"], all), "not described");
        let missing = json!({"id": ID});
        assert!(!fits(&missing, &all["Participant"], all), "missing");
    }
}

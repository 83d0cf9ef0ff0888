//! PURE: what an event of Clerk's asks for.

use serde::Deserialize;
use serde_json::Value;

use crate::auth::clerk::{is_session_id, is_user_id};

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The user of this id is gone.
    UserDeleted(String),
    /// The session of this id is over.
    SessionEnded(String),
    /// Nothing here.
    Other,
    /// It is of a type that asks for something, and does not say of whom.
    Malformed,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

impl Event {
    /// Reads a body that Clerk has signed. What cannot be read would come again for ever if
    /// it were refused.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(Envelope { kind, data }) = serde_json::from_slice(body) else {
            return Self::Malformed;
        };
        // A deletion may come without an id; then it is nobody's.
        let id = data.get("id").and_then(Value::as_str).unwrap_or_default();
        match kind.as_str() {
            "user.deleted" if is_user_id(id) => Self::UserDeleted(id.to_owned()),
            "session.ended" | "session.removed" | "session.revoked" if is_session_id(id) => {
                Self::SessionEnded(id.to_owned())
            }
            "user.deleted" | "session.ended" | "session.removed" | "session.revoked" => {
                Self::Malformed
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Event {
        Event::read(body.to_string().as_bytes())
    }

    #[test]
    fn a_deletion_names_its_user() {
        let data =
            json!({"id": "user_29w83sxmDNGwOuEthce5gg56FcC", "object": "user", "deleted": true});
        let event = json!({"type": "user.deleted", "object": "event", "data": data});
        let expected = "user_29w83sxmDNGwOuEthce5gg56FcC".to_owned();
        assert_eq!(read(&event), Event::UserDeleted(expected));
    }

    #[test]
    fn every_end_of_a_session_is_one() {
        for kind in ["ended", "removed", "revoked"] {
            let data = json!({"id": "sess_1", "user_id": "user_1", "status": kind});
            let event = json!({"type": format!("session.{kind}"), "data": data});
            assert_eq!(read(&event), Event::SessionEnded("sess_1".into()), "{kind}");
        }
    }

    #[test]
    fn what_names_nobody_is_malformed() {
        for id in [
            json!(null),
            json!(""),
            json!("user_"),
            json!("sess_1"),
            json!(5),
            json!(["user_1"]),
        ] {
            let event = json!({"type": "user.deleted", "data": {"id": id, "deleted": true}});
            assert_eq!(read(&event), Event::Malformed, "{event}");
        }
        for data in [
            json!({}),
            json!({"id": "user_1"}),
            json!("sess_1"),
            json!(null),
        ] {
            let event = json!({"type": "session.ended", "data": data});
            assert_eq!(read(&event), Event::Malformed, "{event}");
        }
        assert_eq!(read(&json!({"type": "user.deleted"})), Event::Malformed);
        for body in ["", "[]", "{", r#"{"type": 5}"#] {
            assert_eq!(Event::read(body.as_bytes()), Event::Malformed, "{body}");
        }
    }

    #[test]
    fn other_types_are_nobodys_business() {
        for kind in [
            "user.created",
            "session.created",
            "session.pending",
            "user.deleted.x",
            "",
        ] {
            let event = json!({"type": kind, "data": {"id": "user_1"}});
            assert_eq!(read(&event), Event::Other, "{kind}");
        }
    }
}

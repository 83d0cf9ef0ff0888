//! A bridge's portal, as its `m.bridge` state tells it.

use serde_json::{Map, Value};

/// What makes two rooms the same conversation, and what kind of chat it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// `protocol.id`.
    pub protocol_id: String,
    /// `channel.id`.
    pub channel_id: String,
    /// `channel["fi.mau.receiver"]`, the login that owns it; empty for a shared portal.
    pub receiver: String,
    /// `com.beeper.room_type.v2`.
    pub room_type_v2: Option<String>,
    /// `com.beeper.room_type`.
    pub room_type: Option<String>,
}

/// The channel id of a customer's personal filtering space (bridgev2).
const FILTERING_SPACE: &str = "__personal_filtering_space__";
/// As for every Matrix identifier; the columns are indexed.
const MAX_ID_BYTES: usize = 255;

impl Portal {
    /// Reads the content of an `m.bridge` or `uk.half-shot.bridge` event (MSC2346);
    /// none for a space, a deleted portal or what is no bridge information at all.
    #[must_use]
    pub fn from_content(content: &Map<String, Value>) -> Option<Self> {
        let protocol_id = id(content.get("protocol")?.get("id")?)?;
        let channel = content.get("channel")?;
        let channel_id = id(channel.get("id")?)?;
        let text = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
        let (room_type_v2, room_type) = (
            text("com.beeper.room_type.v2"),
            text("com.beeper.room_type"),
        );
        let is_space = [&room_type_v2, &room_type]
            .into_iter()
            .flatten()
            .any(|t| t == "space");
        if channel_id == FILTERING_SPACE || is_space {
            return None;
        }
        let receiver = channel
            .get("fi.mau.receiver")
            .and_then(id)
            .unwrap_or_default();
        Some(Self {
            protocol_id,
            channel_id,
            receiver,
            room_type_v2,
            room_type,
        })
    }
}

fn id(value: &Value) -> Option<String> {
    let id = value.as_str()?;
    (!id.is_empty() && id.len() <= MAX_ID_BYTES).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn portal(content: &Value) -> Option<Portal> {
        Portal::from_content(content.as_object().unwrap())
    }

    #[test]
    fn a_direct_chat_has_a_receiver_and_a_group_has_none() {
        let direct = portal(&json!({
            "protocol": {"id": "facebookgo"},
            "channel": {"id": "100", "fi.mau.receiver": "200"},
            "com.beeper.room_type.v2": "dm", "com.beeper.room_type": "dm",
        }))
        .unwrap();
        assert_eq!(
            (direct.channel_id.as_str(), direct.receiver.as_str()),
            ("100", "200")
        );
        let group =
            portal(&json!({"protocol": {"id": "facebookgo"}, "channel": {"id": "1"}})).unwrap();
        assert_eq!(group.receiver, "");
    }

    #[test]
    fn spaces_and_nonsense_are_no_portals() {
        for content in [
            json!({}),
            json!({"protocol": {"id": "x"}, "channel": {"id": FILTERING_SPACE}}),
            json!({"protocol": {"id": "x"}, "channel": {"id": "c"}, "com.beeper.room_type.v2": "space"}),
            json!({"protocol": "x", "channel": []}),
            json!({"protocol": {"id": 1}, "channel": {"id": "c"}}),
            json!({"protocol": {"id": "x"}, "channel": {"id": "c".repeat(256)}}),
        ] {
            assert_eq!(portal(&content), None, "{content}");
        }
    }
}

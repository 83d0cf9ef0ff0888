//! What `/state` says of a room: pure.

use crate::{
    fold,
    ingest::Batch,
    matrix::bridges::Bridges,
    model::{
        change::{Change, State},
        incoming::IncomingEvent,
        portal::Portal,
    },
};

/// A room's current state.
#[derive(Debug, Default)]
pub(super) struct RoomState {
    events: Vec<IncomingEvent>,
}

/// A portal as its state shows it.
pub(super) struct Found<'a> {
    /// The bridge.
    pub bridge_id: &'a str,
    /// Its bot.
    pub bot: &'a str,
    /// What its `m.bridge` says.
    pub portal: Portal,
}

impl RoomState {
    /// What cannot be decoded decides nothing, and may not be kept either: whether
    /// the room is mapped is not known yet.
    pub(super) fn new(batch: Batch) -> Self {
        Self {
            events: batch.events,
        }
    }

    /// The bridge information by a bridge's own bot; what anybody else wrote there
    /// is nothing. A space is no conversation.
    pub(super) fn portal<'a>(&self, bridges: &'a Bridges) -> Option<Found<'a>> {
        let is_space = self
            .first("m.room.create")
            .is_some_and(|create| create.content.get("type").is_some_and(|t| t == "m.space"));
        if is_space {
            return None;
        }
        let mut infos: Vec<_> = self
            .events
            .iter()
            .filter(|event| matches!(event.kind.as_str(), "m.bridge" | "uk.half-shot.bridge"))
            .filter_map(|event| {
                let bridge = bridges.of_bot(&event.sender)?;
                let portal = Portal::from_content(&event.content)?;
                let rank = (event.origin_server_ts, event.kind == "m.bridge");
                let (bridge_id, bot) = (bridge.id.as_str(), bridge.bot.as_str());
                Some((
                    rank,
                    Found {
                        bridge_id,
                        bot,
                        portal,
                    },
                ))
            })
            .collect();
        infos.sort_by_key(|(rank, _)| *rank);
        infos.pop().map(|(_, found)| found)
    }

    /// `origin_server_ts` of its `m.room.create`.
    pub(super) fn created_ts(&self) -> Option<i64> {
        self.first("m.room.create")
            .map(|event| event.origin_server_ts)
    }

    /// The room that this one says it follows: whoever creates a room may claim that.
    pub(super) fn predecessor(&self) -> Option<&str> {
        let create = self.first("m.room.create")?;
        room_id(
            create
                .content
                .get("predecessor")?
                .get("room_id")?
                .as_str()?,
        )
    }

    /// The room that replaces this one, in the words of the bridge's bot.
    pub(super) fn replacement(&self, bot: &str) -> Option<&str> {
        let tombstone = self
            .first("m.room.tombstone")
            .filter(|event| event.sender == bot)?;
        room_id(tombstone.content.get("replacement_room")?.as_str()?)
    }

    pub(super) fn members(&self) -> Vec<(String, String)> {
        let member = |event: &IncomingEvent| {
            // What does not fold decides nothing.
            fold::fold(event).ok()?;
            let membership = event.content.get("membership")?.as_str()?;
            (event.kind == "m.room.member")
                .then(|| Some((event.state_key.clone()?, membership.to_owned())))?
        };
        self.events.iter().filter_map(member).collect()
    }

    /// What a room that is ingested keeps of it.
    pub(super) fn kept(&self) -> Vec<State> {
        self.events
            .iter()
            // A state event that cannot be folded decides nothing.
            .flat_map(|event| fold::fold(event).unwrap_or_default())
            .filter_map(|change| match change {
                Change::State(state) => Some(state),
                _ => None,
            })
            .collect()
    }

    /// The event of this type and the empty state key: the only one that counts for
    /// what a room has once.
    fn first(&self, kind: &str) -> Option<&IncomingEvent> {
        self.events
            .iter()
            .find(|event| event.kind == kind && event.state_key.as_deref() == Some(""))
    }
}

/// As long as the specification allows room ids to be; the column is indexed.
pub(super) fn room_id(id: &str) -> Option<&str> {
    (id.starts_with('!') && id.len() <= 255).then_some(id)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    const BOT: &str = "@bot:lab.local";

    fn state(kind: &str, sender: &str, content: &Value) -> RoomState {
        let raw = json!({
            "type": kind, "event_id": "$e", "sender": sender, "state_key": "",
            "origin_server_ts": 1, "content": content,
        });
        let mut batch = Batch::default();
        let raw = serde_json::value::to_raw_value(&raw).unwrap();
        batch.decode(&raw, Some("!r:lab.local"), DateTime::UNIX_EPOCH);
        RoomState::new(batch)
    }

    #[test]
    fn only_the_bot_says_what_replaces_a_room() {
        let tombstone = |sender| {
            let content = json!({"replacement_room": "!new:lab.local"});
            let state = state("m.room.tombstone", sender, &content);
            state.replacement(BOT).map(str::to_owned)
        };
        assert_eq!(tombstone(BOT).as_deref(), Some("!new:lab.local"));
        assert_eq!(tombstone("@alice:lab.local"), None);
    }

    #[test]
    fn what_is_no_room_id_replaces_and_precedes_nothing() {
        for id in [
            json!(""),
            json!(7),
            json!("new"),
            json!(format!("!{}", "n".repeat(255))),
        ] {
            let tombstone = state("m.room.tombstone", BOT, &json!({"replacement_room": id}));
            assert_eq!(tombstone.replacement(BOT), None);
            let create = json!({"predecessor": {"room_id": id}});
            assert_eq!(state("m.room.create", BOT, &create).predecessor(), None);
        }
        let create = json!({"predecessor": {"room_id": "!old:lab.local"}});
        let create = state("m.room.create", BOT, &create);
        assert_eq!(create.predecessor(), Some("!old:lab.local"));
    }
}

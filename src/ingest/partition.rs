//! Which event goes where: the privacy of rooms without a customer is decided here.

use std::collections::{BTreeSet, HashMap};

use super::tally::{self, Tally};
use crate::{
    db::rooms::{At, Room},
    fold::state,
    meters::EventOutcome,
    model::incoming::IncomingEvent,
};

/// The events of a batch, sorted by what may be kept of them.
#[derive(Debug, Default, PartialEq)]
pub struct Partition {
    /// Of mapped rooms, as long as somebody is in them: all of it is folded.
    pub folded: Vec<IncomingEvent>,
    /// Of rooms that were mapped once: only redactions take effect.
    pub redactions: Vec<IncomingEvent>,
    /// Rooms to resolve: unknown ones, and those whose mapping may have changed.
    pub discover: BTreeSet<String>,
    /// How many there were of no ingested room.
    pub(super) elsewhere: Tally,
}

impl Partition {
    fn count_elsewhere(&mut self, event: &IncomingEvent) {
        self.elsewhere
            .add(tally::kind(event), EventOutcome::Elsewhere, 1);
    }
}

/// Sorts a batch. Of a room without a customer nothing but its id goes on.
#[must_use]
pub fn partition(events: Vec<IncomingEvent>, rooms: &HashMap<String, Room>) -> Partition {
    let mut parts = Partition::default();
    for event in events {
        let room = rooms.get(&event.room_id).filter(|room| room.resolved);
        let decides = event.state_key.is_some() && state::decides_mapping(&event.kind);
        match room {
            None => {
                parts.count_elsewhere(&event);
                parts.discover.insert(event.room_id);
            }
            Some(room) if room.takes(At::new(event.received_at, event.origin_server_ts)) => {
                // Members are folded at once; what kind of room it is takes a second look.
                if decides && event.kind != "m.room.member" {
                    parts.discover.insert(event.room_id.clone());
                }
                parts.folded.push(event);
            }
            Some(room) => {
                if decides {
                    parts.discover.insert(event.room_id.clone());
                }
                if room.mapped.is_some() && event.kind == "m.room.redaction" {
                    parts.redactions.push(event);
                } else {
                    parts.count_elsewhere(&event);
                }
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use serde_json::Map;

    use super::*;
    use crate::{
        db::rooms::{Grant, Mapped},
        model::new_id,
    };

    fn event(room_id: &str, kind: &str, state_key: Option<&str>) -> IncomingEvent {
        IncomingEvent {
            event_id: "$e".into(),
            room_id: room_id.into(),
            sender: "@a:b".into(),
            kind: kind.into(),
            state_key: state_key.map(str::to_owned),
            origin_server_ts: 0,
            is_historical: true,
            received_at: DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::hours(1),
            content: Map::new(),
            redacts: None,
            replaces_state: None,
            redacted_because: None,
        }
    }

    fn room(mapped: bool, open: Option<bool>) -> Room {
        let grant = |open| Grant {
            user_id: "user_a".into(),
            connection_id: new_id(),
            from_at: None,
            from_ts: None,
            until_at: if open {
                None
            } else {
                Some(DateTime::<Utc>::UNIX_EPOCH)
            },
            until_ts: None,
            linked_at: DateTime::<Utc>::UNIX_EPOCH,
            matrix_user_id: "@a:b".into(),
            bridge_user_id: None,
        };
        Room {
            resolved: true,
            mapped: mapped.then(|| Mapped {
                bridge_id: "meta".into(),
                conversation_id: new_id(),
            }),
            enabled: true,
            is_fresh: false,
            grants: open.map(grant).into_iter().collect(),
        }
    }

    fn split(room: Option<Room>, event: IncomingEvent) -> (usize, usize, usize) {
        let rooms = room
            .map(|room| (event.room_id.clone(), room))
            .into_iter()
            .collect();
        let parts = partition(vec![event], &rooms);
        (
            parts.folded.len(),
            parts.redactions.len(),
            parts.discover.len(),
        )
    }

    #[test]
    fn of_a_room_without_a_customer_only_the_id_goes_on() {
        let message = || event("!r", "m.room.message", None);
        assert_eq!(split(None, message()), (0, 0, 1));
        assert_eq!(split(Some(room(false, None)), message()), (0, 0, 0));
        assert_eq!(split(Some(room(true, Some(false))), message()), (0, 0, 0));
        assert_eq!(split(Some(room(true, Some(true))), message()), (1, 0, 0));
    }

    #[test]
    fn what_comes_late_from_before_the_leave_is_folded() {
        let mut before = event("!r", "m.room.message", None);
        before.received_at = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(split(Some(room(true, Some(false))), before), (1, 0, 0));
    }

    #[test]
    fn a_disabled_room_is_not_ingested() {
        let disabled = Room {
            enabled: false,
            ..room(true, Some(true))
        };
        assert_eq!(
            split(Some(disabled), event("!r", "m.room.message", None)),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_redaction_takes_effect_in_a_room_that_everybody_left() {
        let redaction = || event("!r", "m.room.redaction", None);
        assert_eq!(split(Some(room(true, Some(false))), redaction()), (0, 1, 0));
        assert_eq!(split(Some(room(false, None)), redaction()), (0, 0, 0));
    }

    #[test]
    fn what_decides_the_mapping_is_looked_at_again() {
        let bridge = || event("!r", "m.bridge", Some("k"));
        let member = || event("!r", "m.room.member", Some("@a:b"));
        assert_eq!(split(Some(room(false, None)), member()), (0, 0, 1));
        assert_eq!(split(Some(room(true, Some(true))), bridge()), (1, 0, 1));
        assert_eq!(split(Some(room(true, Some(true))), member()), (1, 0, 0));
    }
}

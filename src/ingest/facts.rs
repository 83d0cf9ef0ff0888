//! A batch's facts: what the fold makes of its events, and where they belong.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{
    Batch, letters,
    partition::partition,
    tally::{self, Tally},
};
use crate::{
    db::{
        dead_letters::DeadLetter,
        messages::NewMessage,
        participants::Speaker,
        rooms::{At, Room},
    },
    fold,
    matrix::bridges::Bridges,
    meters::{EventKind, EventOutcome},
    model::{
        change::{Change, Edit, Message, Reaction, Redaction, State},
        incoming::{IncomingEvent, shown_time},
    },
};

/// What the fold made of a batch.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) messages: Vec<Message>,
    pub(super) edits: Vec<Edit>,
    pub(super) reactions: Vec<Reaction>,
    pub(super) states: Vec<State>,
    pub(super) redactions: Vec<Redaction>,
    pub(super) dead: Vec<DeadLetter>,
    /// What the batch's events were.
    pub(super) tally: Tally,
}

/// What is to be stored in conversations, and who has spoken there.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) messages: Vec<NewMessage>,
    pub(super) edits: Vec<Edit>,
    pub(super) reactions: Vec<Reaction>,
    pub(super) speakers: Vec<Speaker>,
}

impl Facts {
    /// Folds what may be kept of a batch; the rooms to resolve come with it.
    pub(super) fn of(batch: Batch, known: &HashMap<String, Room>) -> (Self, BTreeSet<String>) {
        let Batch {
            events,
            undecodable,
            raw,
        } = batch;
        let parts = partition(events, known);
        let mut facts = Self {
            tally: parts.elsewhere,
            ..Self::default()
        };
        let bad = undecodable.len();
        facts.tally.add(EventKind::Other, EventOutcome::Bad, bad);
        facts.fold(parts.folded, &raw);
        facts.dead.extend(undecodable);
        // As of messages, what nobody may see is not kept of what cannot be read either.
        facts.dead.retain(|dead| {
            known.get(&dead.room_id).is_some_and(|room| {
                let mut grants = room.grants.iter();
                room.is_ingested()
                    && grants.any(|grant| grant.covers(At::receipt(dead.received_at)))
            })
        });
        let mut of_old_rooms = Self::default();
        of_old_rooms.fold(parts.redactions, &raw);
        facts.redactions.extend(of_old_rooms.redactions);
        facts.tally.extend(of_old_rooms.tally);
        (facts, parts.discover)
    }

    /// Folds each event on its own: one that is no good becomes a dead letter, and
    /// its neighbours never notice.
    fn fold(&mut self, events: Vec<IncomingEvent>, raw: &HashMap<String, String>) {
        for event in events {
            let kind = tally::kind(&event);
            match fold::fold(&event) {
                Ok(changes) => {
                    self.tally.add(kind, EventOutcome::Folded, 1);
                    for change in changes {
                        self.add(change);
                    }
                }
                Err(unfoldable) => {
                    self.tally.add(kind, EventOutcome::Bad, 1);
                    self.edits.extend(fold::edit::unreadable(&event));
                    let raw = raw.get(&event.event_id).cloned().unwrap_or_default();
                    let (room_id, received_at) = (event.room_id, event.received_at);
                    let letter =
                        letters::of(room_id, event.event_id, raw, unfoldable.0, received_at);
                    self.dead.push(letter);
                }
            }
        }
    }

    fn add(&mut self, change: Change) {
        match change {
            Change::Message(message) => self.messages.push(message),
            Change::Edit(edit) => self.edits.push(edit),
            Change::Reaction(reaction) => self.reactions.push(reaction),
            Change::State(state) => self.states.push(state),
            Change::Redaction(redaction) => self.redactions.push(redaction),
        }
    }

    /// What redactions aim at: rooms and events.
    pub(super) fn redacted(&self) -> (Vec<String>, Vec<String>) {
        let targets = self.redactions.iter();
        targets
            .map(|r| (r.room_id.clone(), r.redacts.clone()))
            .unzip()
    }

    /// Everything that is no message, and when: people read up to such events as well.
    pub(super) fn beside_messages(&self) -> Vec<(String, String, DateTime<Utc>)> {
        let mut all = Vec::new();
        let mut add = |room: &String, event: &String, at| {
            all.push((room.clone(), event.clone(), at));
        };
        for edit in &self.edits {
            add(&edit.room_id, &edit.event_id, edit.timestamp);
        }
        for reaction in &self.reactions {
            add(&reaction.room_id, &reaction.event_id, reaction.timestamp);
        }
        for redaction in &self.redactions {
            add(&redaction.room_id, &redaction.event_id, redaction.timestamp);
        }
        for state in &self.states {
            let at = shown_time(state.origin_server_ts, state.received_at);
            add(&state.room_id, &state.event_id, at);
        }
        all
    }

    /// Messages, edits and reactions with what their rooms say of them. History
    /// reaches into times when no customer was in the room: what nobody may see is
    /// not kept either.
    pub(super) fn place(self, rooms: &HashMap<String, Room>, bridges: &Bridges) -> Placed {
        let mut speakers = BTreeSet::new();
        let mut place = |room_id: &str, sender: &str, at| {
            let room = rooms.get(room_id)?;
            let mapped = room.mapped.as_ref()?;
            if !room.grants.iter().any(|grant| grant.covers(at)) {
                return None;
            }
            let speaker = Speaker {
                conversation_id: mapped.conversation_id,
                user_id: sender.to_owned(),
                external_id: bridges.external_id(&mapped.bridge_id, sender),
            };
            speakers.insert(speaker);
            Some(mapped.conversation_id)
        };
        let messages = self.messages.into_iter().filter_map(|message| {
            let at = At::new(message.received_at, message.origin_server_ts);
            Some(NewMessage {
                conversation_id: place(&message.room_id, &message.sender, at)?,
                message,
            })
        });
        let messages = messages.collect();
        let edits = self
            .edits
            .into_iter()
            .filter(|e| {
                place(
                    &e.room_id,
                    &e.sender,
                    At::new(e.received_at, e.origin_server_ts),
                )
                .is_some()
            })
            .collect();
        let reactions = self
            .reactions
            .into_iter()
            .filter(|r| {
                place(
                    &r.room_id,
                    &r.sender,
                    At::new(r.received_at, r.origin_server_ts),
                )
                .is_some()
            })
            .collect();
        Placed {
            messages,
            edits,
            reactions,
            speakers: speakers.into_iter().collect(),
        }
    }
}

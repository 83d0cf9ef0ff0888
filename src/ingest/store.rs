//! The shared write: a batch of events into rows, whichever way it came.

use std::collections::{BTreeSet, HashMap};

use diesel::QueryResult;
use futures_util::future::{try_join, try_join3, try_join5};
use serde_json::Map;
use uuid::Uuid;

use super::{announce, partition::partition, states};
use crate::{
    db::{
        Connection,
        dead_letters::{self, DeadLetter},
        jobs,
        messages::{self, NewMessage},
        rooms::{self, Room},
        state, stream, viewers,
    },
    fold,
    matrix::bridges::Bridges,
    model::{
        change::{Change, Message, Redaction, State},
        frame::{Frame, FrameKind},
        incoming::IncomingEvent,
    },
};

/// Decoded events, in the homeserver's order, and those that could not be decoded.
#[derive(Debug, Default)]
pub struct Batch {
    /// The events; their receipt times rise.
    pub events: Vec<IncomingEvent>,
    /// What could not be decoded, where its room and event id could.
    pub undecodable: Vec<DeadLetter>,
    /// The raw JSON of each event id, for the dead letters.
    pub raw: HashMap<String, String>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Stored {
    /// How many messages were new.
    pub new_messages: usize,
    /// How many dead letters were new.
    pub dead_letters: usize,
    /// Whether jobs were queued.
    pub jobs_queued: bool,
    /// How far the viewers' streams go now.
    pub heads: Vec<stream::Head>,
}

/// What the fold made of a batch.
#[derive(Debug, Default)]
struct Changes {
    messages: Vec<Message>,
    states: Vec<State>,
    redactions: Vec<Redaction>,
    dead: Vec<DeadLetter>,
}

/// Stores a batch inside the caller's transaction. The caller has locked the
/// batch's rooms, before anything else, and `known` them since; the viewers'
/// positions are locked last. `frames` go out before the batch's own.
///
/// # Errors
///
/// When a statement fails; nothing of the transaction may be kept then.
pub(crate) async fn store(
    conn: &mut Connection,
    bridges: &Bridges,
    batch: Batch,
    mut known: HashMap<String, Room>,
    mut frames: Vec<Frame>,
) -> QueryResult<Stored> {
    let room_ids: Vec<_> = batch.rooms().into_iter().collect();
    let (changes, discover) = fold_batch(batch, &known);
    let jobs_queued = queue_discovery(conn, &discover).await?;
    let targets = targets(&changes.redactions);
    let ((), pruned) = try_join(
        messages::insert_redactions(conn, &changes.redactions),
        state::prune_redacted(conn, &targets),
    )
    .await?;
    let derived = states::apply(conn, bridges, &changes.states, pruned).await?;
    if derived.access_changed {
        known = rooms::load(conn, &room_ids).await?;
    }
    frames.extend(derived.changed.into_iter().map(conversation_updated));

    let new = placed(changes.messages, &known, bridges);
    let (joined, stored, redacted) = try_join3(
        messages::ensure_senders(conn, &new),
        messages::insert(conn, &new),
        messages::redact(conn, &targets),
    )
    .await?;
    if !joined.is_empty() {
        // No frame for it: the message that brought them carries its sender.
        viewers::derive_titles(conn, &joined).await?;
    }
    let dead_letters = dead_letters::insert(conn, &changes.dead).await?;
    let told = announce::announce(&stored, &known, bridges);
    let (updated, recount) = announce::updated(&redacted, &known, bridges);
    frames.extend(told.frames);
    frames.extend(told.history.into_iter().map(conversation_updated));
    frames.extend(updated);
    // What was known already is no sign of life.
    let news = !stored.is_empty() || !frames.is_empty();
    let active: Vec<_> = room_ids
        .into_iter()
        .filter(|room_id| news && is_ingested(&known, room_id))
        .collect();
    let ((), _, _, (), heads) = try_join5(
        viewers::add(conn, &told.seen),
        viewers::read_through(conn, &told.reads),
        viewers::recount_unread(conn, &recount),
        rooms::touch(conn, &active),
        stream::append(conn, &frames),
    )
    .await?;
    Ok(Stored {
        new_messages: stored.len(),
        dead_letters,
        jobs_queued,
        heads,
    })
}

impl Batch {
    /// The rooms that it concerns, sorted.
    pub(super) fn rooms(&self) -> BTreeSet<String> {
        let events = self.events.iter().map(|event| &event.room_id);
        let dead = self.undecodable.iter().map(|dead| &dead.room_id);
        events.chain(dead).cloned().collect()
    }
}

/// Folds what may be kept of a batch; the rooms to resolve come with it.
fn fold_batch(batch: Batch, known: &HashMap<String, Room>) -> (Changes, BTreeSet<String>) {
    let Batch {
        events,
        undecodable,
        raw,
    } = batch;
    let parts = partition(events, known);
    let mut changes = fold_all(parts.folded, &raw);
    changes.dead.extend(
        undecodable
            .into_iter()
            .filter(|dead| is_ingested(known, &dead.room_id)),
    );
    changes
        .redactions
        .extend(fold_all(parts.redactions, &raw).redactions);
    (changes, parts.discover)
}

fn is_ingested(rooms: &HashMap<String, Room>, room_id: &str) -> bool {
    rooms.get(room_id).is_some_and(Room::is_ingested)
}

/// Folds each event on its own: one that is no good becomes a dead letter, and
/// its neighbours never notice.
fn fold_all(events: Vec<IncomingEvent>, raw: &HashMap<String, String>) -> Changes {
    let mut changes = Changes::default();
    for event in events {
        match fold::fold(&event) {
            Ok(facts) => facts.into_iter().for_each(|fact| match fact {
                Change::Message(message) => changes.messages.push(message),
                Change::State(state) => changes.states.push(state),
                Change::Redaction(redaction) => changes.redactions.push(redaction),
            }),
            Err(unfoldable) => changes.dead.push(DeadLetter {
                raw: raw.get(&event.event_id).cloned().unwrap_or_default(),
                room_id: event.room_id,
                event_id: event.event_id,
                error: unfoldable.0,
            }),
        }
    }
    changes
}

/// Queues the resolution of rooms: a job each, however often it is asked for.
async fn queue_discovery(conn: &mut Connection, room_ids: &BTreeSet<String>) -> QueryResult<bool> {
    if room_ids.is_empty() {
        return Ok(false);
    }
    let room_ids: Vec<_> = room_ids.iter().cloned().collect();
    rooms::note(conn, &room_ids).await?;
    let queued: Vec<_> = room_ids
        .into_iter()
        .map(|room_id| jobs::NewJob {
            kind: "discover",
            key: room_id,
            payload: Map::new(),
        })
        .collect();
    jobs::enqueue(conn, &queued).await?;
    Ok(true)
}

/// What redactions aim at: room and event.
fn targets(redactions: &[Redaction]) -> Vec<(String, String)> {
    redactions
        .iter()
        .map(|r| (r.room_id.clone(), r.redacts.clone()))
        .collect()
}

/// Messages with what their rooms say of them.
fn placed(
    messages: Vec<Message>,
    rooms: &HashMap<String, Room>,
    bridges: &Bridges,
) -> Vec<NewMessage> {
    let place = |message: Message| {
        let room = rooms.get(&message.room_id)?;
        let mapped = room.mapped.as_ref()?;
        // History reaches into times when no customer was in the room: what nobody
        // may see is not kept either.
        if !room
            .grants
            .iter()
            .any(|grant| grant.covers(message.received_at))
        {
            return None;
        }
        let external_id = bridges.external_id(&mapped.bridge_id, &message.sender);
        Some(NewMessage {
            conversation_id: mapped.conversation_id,
            external_id,
            message,
        })
    };
    messages.into_iter().filter_map(place).collect()
}

fn conversation_updated(view: viewers::View) -> Frame {
    let conversation_id: Uuid = view.conversation_id;
    Frame {
        user_id: view.user_id,
        kind: FrameKind::ConversationUpdated { conversation_id },
    }
}

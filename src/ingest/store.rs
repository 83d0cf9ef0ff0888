//! The shared write: a batch of events into rows, whichever way it came.

use std::collections::{BTreeSet, HashMap};

use diesel::QueryResult;
use futures_util::future::{try_join, try_join3};
use serde_json::Map;
use uuid::Uuid;

use super::{
    announce,
    facts::{Facts, Placed},
    reads, relations, states,
};
use crate::{
    db::{
        Connection,
        dead_letters::{self, DeadLetter},
        jobs, messages, participants,
        redactions::{self, Gone},
        rooms::{self, Room},
        state, stream, viewers,
    },
    matrix::bridges::Bridges,
    model::{
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
    /// How many messages, edits, reactions and redactions were.
    pub new_events: usize,
    /// How many dead letters were new.
    pub dead_letters: usize,
    /// Whether jobs were queued.
    pub jobs_queued: bool,
    /// How far the viewers' streams go now.
    pub heads: Vec<stream::Head>,
}

/// Stores a batch inside the caller's transaction. The caller has locked the
/// batch's rooms, before anything else, and `known` them since; the viewers'
/// positions are locked last. `frames` go out before the batch's own.
///
/// # Errors
///
/// When a statement fails; nothing of the transaction may be kept then.
pub(super) async fn store(
    conn: &mut Connection,
    bridges: &Bridges,
    batch: Batch,
    mut known: HashMap<String, Room>,
    mut frames: Vec<Frame>,
) -> QueryResult<Stored> {
    let room_ids: Vec<_> = batch.rooms().into_iter().collect();
    let (facts, mut discover) = Facts::of(batch, &known);
    let (in_rooms, redacted) = facts.redacted();
    let redacted = (in_rooms.as_slice(), redacted.as_slice());
    let (new_redactions, pruned) = try_join(
        redactions::insert(conn, &facts.redactions),
        state::prune_redacted(conn, redacted),
    )
    .await?;
    let derived = states::apply(conn, bridges, &facts.states, pruned).await?;
    // What was received before is for whoever has gained access as well.
    discover.extend(derived.opened.iter().cloned());
    let jobs_queued = queue_discovery(conn, &discover).await?;
    if derived.access_changed {
        known = rooms::load(conn, &room_ids).await?;
    }
    let dead_letters = dead_letters::insert(conn, &facts.dead).await?;
    let beside_messages = facts.beside_messages();
    let placed = facts.place(&known, bridges);
    let Written {
        stored,
        new_relations,
        redacted,
        updated,
    } = write(conn, bridges, &placed, redacted).await?;
    let waiting = reads::waiting(conn, &beside_messages, &known, bridges).await?;

    let told = announce::announce(&stored, &known, bridges);
    let (updates, recount) = announce::updated(&redacted, updated, &known, bridges);
    frames.extend(derived.changed.into_iter().map(conversation_updated));
    frames.extend(told.frames);
    frames.extend(told.history.into_iter().map(conversation_updated));
    frames.extend(updates);
    // What was known already is no sign of life.
    let news = !stored.is_empty() || !frames.is_empty();
    let active: Vec<_> = room_ids
        .into_iter()
        .filter(|room_id| news && known.get(room_id).is_some_and(Room::is_ingested))
        .collect();
    let reads = Reads {
        seen: told.seen,
        own: told.reads,
        waiting,
        recount,
    };
    let heads = if reads.only_add() {
        let ((), (), heads) = try_join3(
            viewers::add(conn, &reads.seen),
            rooms::touch(conn, &active),
            stream::append(conn, &frames),
        )
        .await?;
        heads
    } else {
        frames.extend(
            reads
                .count(conn)
                .await?
                .into_iter()
                .map(conversation_updated),
        );
        let end = try_join(rooms::touch(conn, &active), stream::append(conn, &frames));
        end.await?.1
    };
    Ok(Stored {
        new_messages: stored.len(),
        new_events: stored.len() + new_relations + new_redactions,
        dead_letters,
        jobs_queued,
        heads,
    })
}

/// What viewers have got, and what of it they have read.
struct Reads {
    seen: Vec<viewers::Seen>,
    /// By messages of their own, or receipts that came before their messages.
    own: Vec<viewers::ReadThrough>,
    /// By receipts that came before other events.
    waiting: Vec<viewers::ReadThrough>,
    /// Of whom a message was taken, which may have been unread.
    recount: Vec<viewers::View>,
}

impl Reads {
    fn only_add(&self) -> bool {
        self.own.is_empty() && self.waiting.is_empty() && self.recount.is_empty()
    }

    /// Counts one step after the other: statements that go out together may overtake
    /// one that is not prepared yet, and each of these counts what those before it did.
    /// Returns whose unread count is another one by what no frame tells.
    async fn count(self, conn: &Connection) -> QueryResult<BTreeSet<viewers::View>> {
        viewers::add(conn, &self.seen).await?;
        let waiting = self.waiting.iter().map(|read| &read.view);
        let untold: BTreeSet<_> = waiting.chain(&self.recount).cloned().collect();
        let reads: Vec<_> = self.own.into_iter().chain(self.waiting).collect();
        let mut changed = viewers::read_through(conn, &reads).await?;
        changed.extend(viewers::recount_unread(conn, &self.recount).await?);
        Ok(changed
            .into_iter()
            .filter(|view| untold.contains(view))
            .collect())
    }
}

/// What the writing of messages and of what is about them has changed.
struct Written {
    stored: Vec<messages::Stored>,
    /// Edits and reactions.
    new_relations: usize,
    redacted: Vec<messages::Stored>,
    updated: Vec<relations::Updated>,
}

async fn write(
    conn: &mut Connection,
    bridges: &Bridges,
    placed: &Placed,
    redacted: (&[String], &[String]),
) -> QueryResult<Written> {
    let mut gone = Gone::default();
    for (room_id, event_id) in redacted.0.iter().zip(redacted.1) {
        gone.add(room_id, event_id, true);
    }
    // Before the messages, in a step of its own: statements that go out together may
    // overtake one that is not prepared yet.
    let mut touched = relations::store(conn, placed, &mut gone).await?;
    let no_messages = relations::forget_edits(conn, placed).await?;
    let (new_speakers, stored, taken) = try_join3(
        participants::ensure_speakers(conn, &placed.speakers),
        messages::insert(conn, &placed.messages),
        messages::redact(conn, redacted),
    )
    .await?;
    if !new_speakers.is_empty() {
        // No frame for it: the message that brought them carries its sender.
        states::derive_people(conn, bridges, &new_speakers, BTreeSet::new()).await?;
    }
    relations::attach(conn, placed).await?;
    relations::redact(conn, &gone, &mut touched).await?;
    touched.awaited(&stored);
    let new_relations = touched.new;
    let updated = touched.derive(conn, &stored).await?;
    if !no_messages.is_empty() {
        viewers::recount_all(conn, &no_messages).await?;
    }
    Ok(Written {
        stored,
        new_relations,
        redacted: taken,
        updated,
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

pub(super) fn conversation_updated(view: viewers::View) -> Frame {
    let conversation_id: Uuid = view.conversation_id;
    Frame {
        user_id: view.user_id,
        kind: FrameKind::ConversationUpdated { conversation_id },
    }
}

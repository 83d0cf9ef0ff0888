//! The shared write: a batch of events into rows, whichever way it came.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use futures_util::future::{try_join, try_join3, try_join4};
use serde_json::Map;
use uuid::Uuid;

use super::{
    announce,
    facts::{Facts, Placed},
    reads, relations,
    shown::{self, ByViewer},
    states,
    tally::Tally,
};
use crate::{
    db::{
        Connection, Prepared,
        dead_letters::{self, DeadLetter},
        former, jobs, messages, participants,
        redactions::{self, Gone},
        rooms::{self, Room},
        state, stream, viewers,
    },
    matrix::bridges::Bridges,
    meters::{Timer, meters},
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
    /// How many edits and reactions were new.
    pub(super) new_relations: usize,
    /// How many redactions were new.
    pub(super) new_redactions: usize,
    /// How many dead letters were new.
    pub dead_letters: usize,
    /// Whether jobs were queued.
    pub jobs_queued: bool,
    /// How far the viewers' streams go now.
    pub heads: Vec<stream::Head>,
    /// What its events were.
    pub(super) tally: Tally,
    /// When the homeserver received the first of the new messages that are not history.
    pub(super) live: Option<DateTime<Utc>>,
}

/// Stores a batch inside the caller's transaction. The caller has locked the
/// batch's rooms, before anything else, and `known` them since; the viewers'
/// positions are locked last. `frames` go out before the batch's own. `end` is joined with
/// the last statements, as the last one: it reads what all frames show to whoever it likes, and
/// ends the transaction, or does neither. The
/// connection has its statements `_prepared`, so that none overtakes another.
///
/// # Errors
///
/// When a statement fails; nothing of the transaction may be kept then.
pub(super) async fn store(
    conn: &mut Connection,
    _prepared: Prepared,
    bridges: &Bridges,
    batch: Batch,
    mut known: HashMap<String, Room>,
    mut frames: Vec<Frame>,
    end: impl AsyncFnOnce(&Connection, &[Frame]) -> QueryResult<ByViewer>,
) -> QueryResult<Stored> {
    let room_ids: Vec<_> = batch.rooms().into_iter().collect();
    let timer = Timer::new(&meters().fold_seconds);
    let (facts, mut discover) = Facts::of(batch, &known);
    drop(timer);
    let tally = facts.tally;
    let (in_rooms, redacted) = facts.redacted();
    let redacted = (in_rooms.as_slice(), redacted.as_slice());
    let (new_redactions, pruned) = try_join(
        redactions::insert(conn, &facts.redactions),
        state::prune_redacted(conn, redacted),
    )
    .await?;
    let derived = states::apply(conn, bridges, &facts.states, pruned, &known).await?;
    // What was received before is for whoever has gained access as well.
    discover.extend(derived.opened.iter().cloned());
    let jobs_queued = queue_discovery(conn, &discover).await?;
    if derived.access_changed {
        known = rooms::load(conn, &room_ids).await?;
    }
    let dead_letters = dead_letters::insert(conn, &facts.dead).await?;
    let beside_messages = facts.beside_messages();
    let placed = facts.place(&known, bridges);
    // Which no statement here writes: they may be read at any time.
    let waiting = reads::waiting(conn, &beside_messages, &known, bridges);
    let (written, waiting) = try_join(write(conn, &placed, redacted), waiting).await?;
    let Written {
        new_speakers,
        stored,
        touched,
        redacted,
        no_messages,
    } = written;
    if !new_speakers.is_empty() {
        // No frame for it: the message that brought them carries its sender.
        let moved = former::Moved::default();
        states::derive_people(conn, bridges, &new_speakers, BTreeSet::new(), moved).await?;
    }

    let conn = &*conn;
    let new_relations = touched.new;
    let told = announce::announce(&stored, &known, bridges);
    let (unsent, recount) = announce::taken(&redacted, &known, bridges);
    let only_adds = touched.is_empty()
        && told.reads.is_empty()
        && waiting.is_empty()
        && recount.is_empty()
        && no_messages.is_empty()
        && counts_once(&told.seen);
    frames.extend(derived.changed.into_iter().map(conversation_updated));
    frames.extend(told.frames);
    frames.extend(told.history.into_iter().map(conversation_updated));
    frames.extend(unsent);
    if !only_adds {
        let add = viewers::add(conn, &told.seen, &told.reads);
        let (updated, uncounted) = try_join(touched.derive(conn, &stored), add).await?;
        frames.extend(announce::changed(updated, &redacted, &known, bridges));
        let reads = Reads {
            waiting,
            recount,
            uncounted,
            no_messages,
        };
        frames.extend(
            reads
                .count(conn)
                .await?
                .into_iter()
                .map(conversation_updated),
        );
    }
    // What was known already is no sign of life.
    let news = !stored.is_empty() || !frames.is_empty();
    let is_stale = |room: &Room| room.is_ingested() && !room.is_fresh;
    let active: Vec<_> = room_ids
        .into_iter()
        .filter(|room_id| news && known.get(room_id).is_some_and(is_stale))
        .collect();
    let add = async {
        let seen = if only_adds { &told.seen[..] } else { &[] };
        viewers::add(conn, seen, &[]).await
    };
    let touch = rooms::touch(conn, &active);
    let append = stream::append(conn, &frames);
    let (_, (), mut heads, shown) = try_join4(add, touch, append, end(conn, &frames)).await?;
    shown::hand_out(&mut heads, shown);
    let live = stored.iter().filter(|message| !message.historical);
    Ok(Stored {
        live: live.map(|message| message.received_at).min(),
        tally,
        new_relations,
        new_redactions,
        new_messages: stored.len(),
        new_events: stored.len() + new_relations + new_redactions,
        dead_letters,
        jobs_queued,
        heads,
    })
}

/// Whether of each viewer at most one message counts: a read marker is before or behind it, and
/// nothing has to be counted again.
fn counts_once(seen: &[viewers::Seen]) -> bool {
    let mut counted = BTreeSet::new();
    let mut counting = seen.iter().filter(|message| message.counts);
    counting.all(|message| counted.insert(&message.view))
}

/// What viewers have read, beside by what they wrote or had read before it came; and whose
/// unread messages have to be counted again.
struct Reads {
    /// By receipts that came before other events.
    waiting: Vec<viewers::ReadThrough>,
    /// Of whom a message was taken, which may have been unread.
    recount: Vec<viewers::View>,
    /// Who has read past only a part of what was there.
    uncounted: Vec<viewers::View>,
    /// Conversations that lost what turned out to be no message.
    no_messages: Vec<Uuid>,
}

impl Reads {
    /// Counts one step after the other, since each counts what those before it did.
    /// Returns whose unread count is another one by what no frame tells.
    async fn count(self, conn: &Connection) -> QueryResult<BTreeSet<viewers::View>> {
        let waiting = self.waiting.iter().map(|read| &read.view);
        let untold: BTreeSet<_> = waiting.chain(&self.recount).cloned().collect();
        let recount: Vec<_> = self.recount.into_iter().chain(self.uncounted).collect();
        let mut changed = viewers::read_through(conn, &self.waiting).await?;
        changed.extend(viewers::recount_unread(conn, &recount).await?);
        if !self.no_messages.is_empty() {
            viewers::recount_all(conn, &self.no_messages).await?;
        }
        Ok(changed
            .into_iter()
            .filter(|view| untold.contains(view))
            .collect())
    }
}

/// What the writing of messages and of what is about them has changed.
struct Written {
    /// Conversations in which somebody spoke for the first time.
    new_speakers: Vec<Uuid>,
    stored: Vec<messages::Stored>,
    /// Messages whose edits and reactions are others.
    touched: relations::Touched,
    redacted: Vec<messages::Stored>,
    /// Conversations that lost what turned out to be no message.
    no_messages: Vec<Uuid>,
}

async fn write(
    conn: &Connection,
    placed: &Placed,
    redacted: (&[String], &[String]),
) -> QueryResult<Written> {
    let mut gone = Gone::default();
    for (room_id, event_id) in redacted.0.iter().zip(redacted.1) {
        gone.add(room_id, event_id, true);
    }
    // In this order: what is known to be an edit is no message, and a message says whether
    // edits and reactions have waited for it.
    let relations = relations::store(conn, placed, &mut gone);
    let messages = try_join3(
        participants::ensure_speakers(conn, &placed.speakers),
        messages::insert(conn, &placed.messages),
        messages::redact(conn, redacted),
    );
    let ((mut touched, no_messages), (new_speakers, stored, taken)) =
        try_join(relations, messages).await?;
    relations::attach(conn, placed).await?;
    relations::redact(conn, &gone, &mut touched).await?;
    touched.awaited(&stored);
    Ok(Written {
        new_speakers,
        stored,
        touched,
        redacted: taken,
        no_messages,
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

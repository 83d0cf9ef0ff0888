//! Edits, reactions, redactions and files: what they make of the messages they are about.

use std::collections::{HashMap, HashSet};

use diesel::QueryResult;
use futures_util::future::{try_join, try_join3};
use uuid::Uuid;

use super::facts::Placed;
use crate::db::{
    Connection,
    attachments::{self, NewAttachment},
    dead_letters, media,
    messages::{self, Stored},
    reactions,
    redactions::Gone,
    rooms::At,
    versions::{self, Lost, Related},
};

/// Messages whose edits or reactions have changed. What a redaction took concerns
/// everybody who sees the message; what is new, those who see it too.
#[derive(Debug, Default)]
pub(super) struct Touched {
    by: HashMap<(String, String), Option<Vec<At>>>,
    /// Those that have lost an edit: to whoever left before the one that is shown came
    /// it may have been the latest.
    lost_edit: HashSet<(String, String)>,
    /// How many edits and reactions were new.
    pub(super) new: usize,
}

/// A message that is no longer what it was, and for whom: for those who may see
/// something of what was received at these times, or for everybody who sees the message.
#[derive(Debug)]
pub(super) struct Updated {
    pub(super) message: Stored,
    pub(super) by: Option<Vec<At>>,
}

impl Touched {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    fn gained(&mut self, related: Vec<Related>) {
        for one in related.into_iter().filter(|one| one.shows) {
            let by = self.by.entry((one.room_id, one.target_event_id));
            if let Some(times) = by.or_insert_with(|| Some(Vec::new())) {
                times.push(At::new(one.received_at, one.origin_server_ts));
            }
        }
    }

    fn lost(&mut self, lost: Vec<Lost>) {
        let all = lost.into_iter();
        self.by
            .extend(all.map(|one| ((one.room_id, one.target_event_id), None)));
    }

    fn lost_edits(&mut self, lost: Vec<Lost>) {
        let of_edits = lost.iter().cloned();
        self.lost_edit
            .extend(of_edits.map(|one| (one.room_id, one.target_event_id)));
        self.lost(lost);
    }

    /// Messages that were stored just now, for which versions or reactions have waited.
    pub(super) fn awaited(&mut self, stored: &[Stored]) {
        let awaited = stored.iter().filter(|message| message.awaited);
        self.by
            .extend(awaited.map(|m| ((m.room_id.clone(), m.event_id.clone()), None)));
    }

    /// Brings the messages to what they show now. Those that are `new` are told as such.
    pub(super) async fn derive(
        self,
        conn: &Connection,
        new: &[Stored],
    ) -> QueryResult<Vec<Updated>> {
        if self.by.is_empty() {
            return Ok(Vec::new());
        }
        let (rooms, events): (Vec<_>, Vec<_>) = self.by.keys().cloned().unzip();
        let mut changed = messages::derive(conn, &rooms, &events).await?;
        changed.extend(self.unchanged(conn, &changed).await?);
        let new: HashSet<Uuid> = new.iter().map(|message| message.id).collect();
        let updated = changed
            .into_iter()
            .filter(|message| !new.contains(&message.id));
        Ok(updated
            .map(|message| Updated {
                by: self
                    .by
                    .get(&(message.room_id.clone(), message.event_id.clone()))
                    .cloned()
                    .flatten(),
                message,
            })
            .collect())
    }

    /// Messages that have lost an edit which was not the one that is shown.
    async fn unchanged(&self, conn: &Connection, changed: &[Stored]) -> QueryResult<Vec<Stored>> {
        let mut left = self.lost_edit.clone();
        for message in changed {
            left.remove(&(message.room_id.clone(), message.event_id.clone()));
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let (rooms, events): (Vec<_>, Vec<_>) = left.into_iter().unzip();
        messages::standing(conn, &rooms, &events).await
    }
}

/// Stores edits and reactions, before the messages: what is known to be an edit is none.
/// Adds the new edits to what is `gone`: there are neither edits of nor reactions to them.
/// What was taken for redacted messages, and now turns out to be edits, is deleted; returns
/// the conversations that lost one.
pub(super) async fn store(
    conn: &Connection,
    placed: &Placed,
    gone: &mut Gone,
) -> QueryResult<(Touched, Vec<Uuid>)> {
    let mut touched = Touched::default();
    let (rooms, events): (Vec<_>, Vec<_>) = placed
        .edits
        .iter()
        .map(|edit| (edit.room_id.clone(), edit.event_id.clone()))
        .unzip();
    let (edited, reacted, no_messages) = try_join3(
        versions::insert(conn, &placed.edits),
        reactions::insert(conn, &placed.reactions),
        messages::forget_edits(conn, &rooms, &events),
    )
    .await?;
    for edit in &edited {
        gone.add(&edit.room_id, &edit.event_id, false);
    }
    touched.new = edited.len() + reacted.len();
    touched.gained(edited);
    touched.gained(reacted);
    Ok((touched, no_messages))
}

/// Stores the files of messages and edits.
pub(super) async fn attach(conn: &Connection, placed: &Placed) -> QueryResult<()> {
    let of_messages = placed.messages.iter().filter_map(|new| {
        let message = &new.message;
        Some(NewAttachment {
            room_id: &message.room_id,
            event_id: &message.event_id,
            message: &message.event_id,
            attachment: message.shown.attachment.as_ref()?,
        })
    });
    let of_edits = placed.edits.iter().filter_map(|edit| {
        Some(NewAttachment {
            room_id: &edit.room_id,
            event_id: &edit.event_id,
            message: &edit.replaces,
            attachment: edit.shown.as_ref()?.attachment.as_ref()?,
        })
    });
    let all: Vec<_> = of_messages.chain(of_edits).collect();
    attachments::insert(conn, &all).await
}

/// Takes what hangs on what is gone: versions, reactions, files, dead letters.
pub(super) async fn redact(
    conn: &Connection,
    gone: &Gone,
    touched: &mut Touched,
) -> QueryResult<()> {
    if gone.rooms.is_empty() {
        return Ok(());
    }
    let ((edits, reactions, media), _) = try_join(
        try_join3(
            versions::redact(conn, gone),
            reactions::redact(conn, gone),
            attachments::redact(conn, gone),
        ),
        dead_letters::redact(conn, gone),
    )
    .await?;
    touched.lost_edits(edits);
    touched.lost(reactions);
    media::forget_unused(conn, &media).await?;
    Ok(())
}

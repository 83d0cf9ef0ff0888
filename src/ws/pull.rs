//! Frames out of the database: the next batch of a viewer's stream, rendered from
//! the rows as they are now, in a number of statements that the batch's size does
//! not change.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::protocol::{Event, ServerFrame};
use crate::{
    app::App,
    db::{
        self,
        read::{backfill, connections, conversations, messages, participants},
        stream::{self, Entry},
    },
    model::{
        connection::{Connection, Status},
        conversation::Conversation,
        frame::FrameKind,
        message::Message,
    },
    stream::cursor::Cursor,
};

/// The next part of a viewer's stream.
#[derive(Debug)]
pub(super) enum Pulled {
    /// Frames, ready to be sent, and the position up to which they lead: what the
    /// viewer may no longer see leaves no frame, but is passed.
    Frames(Vec<String>, i64),
    /// What comes next is no longer kept; the stream goes on from this head.
    Pruned(i64),
}

/// Reads and renders up to `limit` frames after a position.
pub(super) async fn pull(
    app: &App,
    user_id: &str,
    epoch: Uuid,
    position: i64,
    limit: i64,
) -> Result<Pulled, db::Error> {
    let mut conn = app.db.get().await?;
    let entries = stream::after(&mut conn, user_id, position, limit).await?;
    let is_next = entries
        .first()
        .is_some_and(|entry| entry.position == position + 1);
    if !is_next {
        // Either nothing is there yet, or it has been pruned under a slow socket.
        let extent = stream::extent(&mut conn, user_id).await?;
        if position < extent.pruned_through {
            return Ok(Pulled::Pruned(extent.position));
        }
    }
    let reached = entries.last().map_or(position, |entry| entry.position);
    let rows = Rows::load(&mut conn, user_id, &entries).await?;
    drop(conn);
    let frames = entries.into_iter().filter_map(|entry| {
        let frame = ServerFrame {
            event: rows.event(entry.kind?)?,
            cursor: Some(Cursor::new(epoch, user_id, entry.position).to_string()),
            at: entry.at,
        };
        serde_json::to_string(&frame).ok()
    });
    Ok(Pulled::Frames(frames.collect(), reached))
}

/// What a batch of frames shows.
#[derive(Default)]
struct Rows {
    messages: HashMap<Uuid, Message>,
    unread: HashMap<Uuid, i32>,
    conversations: HashMap<Uuid, Conversation>,
    connections: HashMap<Uuid, Connection>,
    backfills: HashMap<Uuid, backfill::Progress>,
}

impl Rows {
    async fn load(
        conn: &mut db::Connection,
        user_id: &str,
        entries: &[Entry],
    ) -> Result<Self, db::Error> {
        let mut rows = Self::default();
        let wanted = ids(entries, |kind| match kind {
            FrameKind::MessageCreated { message_id, .. }
            | FrameKind::MessageUpdated { message_id, .. } => Some(message_id),
            _ => None,
        });
        if !wanted.is_empty() {
            let found = messages::by_ids(conn, user_id, &wanted).await?;
            rows.messages = by_key(found, |message| message.id);
        }
        let wanted = ids(entries, |kind| match kind {
            FrameKind::MessageCreated {
                conversation_id, ..
            } => Some(conversation_id),
            _ => None,
        });
        if !wanted.is_empty() {
            rows.unread = conversations::unread_counts(conn, user_id, &wanted).await?;
        }
        rows.load_rare(conn, user_id, entries).await?;
        Ok(rows)
    }

    /// Everything but messages.
    async fn load_rare(
        &mut self,
        conn: &mut db::Connection,
        user_id: &str,
        entries: &[Entry],
    ) -> Result<(), db::Error> {
        let wanted = ids(entries, |kind| match kind {
            FrameKind::ConversationUpdated { conversation_id } => Some(conversation_id),
            _ => None,
        });
        if !wanted.is_empty() {
            let found = conversations::by_ids(conn, user_id, &wanted).await?;
            let mut people = participants::of(conn, user_id, &wanted).await?;
            let with_people = found.into_iter().map(|conversation| Conversation {
                participants: Some(people.remove(&conversation.id).unwrap_or_default()),
                ..conversation
            });
            self.conversations = by_key(with_people, |conversation| conversation.id);
        }
        let is_status = |kind| matches!(kind, FrameKind::ConnectionStatus { .. });
        if entries.iter().filter_map(|entry| entry.kind).any(is_status) {
            let found = connections::list(conn, user_id, None).await?;
            self.connections = by_key(found, |connection| connection.id);
        }
        let wanted = ids(entries, |kind| match kind {
            FrameKind::BackfillProgress { conversation_id } => Some(conversation_id),
            _ => None,
        });
        if !wanted.is_empty() {
            let found = backfill::progress(conn, user_id, &wanted).await?;
            self.backfills = by_key(found, |progress| progress.conversation_id);
        }
        Ok(())
    }

    /// What a frame says now; none when the viewer may no longer see it.
    fn event(&self, kind: FrameKind) -> Option<Event> {
        Some(match kind {
            FrameKind::MessageCreated {
                conversation_id,
                message_id,
            } => Event::MessageCreated {
                conversation_id,
                message: Box::new(self.messages.get(&message_id)?.clone()),
                unread_count: *self.unread.get(&conversation_id)?,
            },
            FrameKind::MessageUpdated {
                conversation_id,
                message_id,
            } => Event::MessageUpdated {
                conversation_id,
                message: Box::new(self.messages.get(&message_id)?.clone()),
            },
            FrameKind::ConversationUpdated { conversation_id } => Event::ConversationUpdated {
                conversation: Box::new(self.conversations.get(&conversation_id)?.clone()),
            },
            FrameKind::ConversationRemoved { conversation_id } => {
                Event::ConversationRemoved { conversation_id }
            }
            FrameKind::ConnectionStatus { connection_id } => {
                // An erased account leaves no row, and the frame in which it ended.
                let connection = self.connections.get(&connection_id);
                Event::ConnectionStatus {
                    status: connection.map_or(Status::Disconnected, |found| found.status),
                    error: connection.and_then(|found| found.error.clone()),
                    connection_id,
                }
            }
            FrameKind::BackfillProgress { conversation_id } => {
                Event::BackfillProgress(self.backfills.get(&conversation_id)?.clone())
            }
        })
    }
}

/// The ids that `pick` finds in a batch, each once.
fn ids(entries: &[Entry], pick: impl Fn(FrameKind) -> Option<Uuid>) -> Vec<Uuid> {
    let found: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| pick(entry.kind?))
        .collect();
    found.into_iter().collect()
}

fn by_key<T>(rows: impl IntoIterator<Item = T>, key: impl Fn(&T) -> Uuid) -> HashMap<Uuid, T> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

//! Frames out of the database: the next batch of a viewer's stream, rendered from
//! the rows as they are now, in a number of statements that the batch's size does
//! not change; or in none, from what was read along with a commit just now.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures_util::future::try_join;
use uuid::Uuid;

use super::{
    protocol::{Event, ServerFrame},
    pulls::Part,
};
use crate::{
    app::App,
    db::{
        self,
        read::{
            backfill, connections, conversations,
            messages::{self, Shown},
            participants,
        },
        stream::{self, Entry},
    },
    meters::meters,
    model::{
        connection::{Connection, Status},
        conversation::Conversation,
        frame::FrameKind,
    },
    stream::{Rendered, cursor::Cursor},
};

/// The next part of a viewer's stream.
#[derive(Debug)]
pub(super) enum Pulled {
    /// Frames, ready to be sent, and the position up to which they lead: what the
    /// viewer may no longer see leaves no frame, but is passed.
    Frames(Vec<Rendered>, i64),
    /// What comes next is no longer kept; the stream goes on from this head.
    Pruned(i64),
}

/// Measures how late a frame is.
pub(super) fn measure(frame: &Rendered, now: DateTime<Utc>) {
    let since = |at: DateTime<Utc>| (now - at).to_std().unwrap_or_default();
    meters().frame_lag_seconds.record(since(frame.at));
    if let Some(received_at) = frame.received_at {
        meters().delivery_seconds.record(since(received_at));
    }
}

/// Reads and renders a part of a stream: of these frames, if all of it is at hand.
pub(super) async fn pull(
    app: &App,
    part: &Part,
    at_hand: Option<Arc<[Entry]>>,
) -> Result<Pulled, db::Error> {
    let mut conn = app.db.get().await?;
    let (has_begun, entries) = match at_hand {
        Some(entries) => (false, entries),
        None => match next(&mut conn, part).await? {
            Next::Entries(entries) => (true, entries.into()),
            Next::Pruned(head) => {
                conn.leave();
                return Ok(Pulled::Pruned(head));
            }
        },
    };
    let shown = shown(&conn, has_begun, &part.user_id, &entries).await?;
    let mut rows = Rows::of(&shown);
    rows.load_rare(&mut conn, &part.user_id, &entries).await?;
    conn.leave();
    let reached = entries.last().map_or(part.position, |entry| entry.position);
    Ok(Pulled::Frames(render(part, &entries, &rows), reached))
}

/// Renders these frames, which show nothing but these messages.
pub(super) fn render_shown(part: &Part, entries: &[Entry], shown: &[Shown]) -> Vec<Rendered> {
    render(part, entries, &Rows::of(shown))
}

/// Renders these frames of a part.
fn render(part: &Part, entries: &[Entry], rows: &Rows<'_>) -> Vec<Rendered> {
    let frames = entries.iter().filter_map(|entry| {
        let event = rows.event(entry.kind?)?;
        let received_at = match &event {
            Event::MessageCreated { message, .. } => Some(message.received_at),
            _ => None,
        };
        let cursor = Cursor::new(part.epoch, &part.user_id, entry.position);
        let frame = ServerFrame {
            event,
            cursor: Some(cursor.to_string()),
            at: entry.at,
        };
        let text = serde_json::to_string(&frame).ok()?.into();
        Some(Rendered {
            text,
            at: entry.at,
            received_at,
        })
    });
    frames.collect()
}

/// What is next in a stream.
enum Next {
    Entries(Vec<Entry>),
    Pruned(i64),
}

/// Reads it in a transaction that it begins.
async fn next(conn: &mut db::Pooled, part: &Part) -> Result<Next, db::Error> {
    let limit = i64::try_from(part.limit).unwrap_or(i64::MAX);
    let after = stream::after(conn, &part.user_id, part.position, limit);
    let ((), entries) = try_join(conn.begin(), after).await?;
    let is_next = entries
        .first()
        .is_some_and(|entry| entry.position == part.position + 1);
    if !is_next {
        // Either nothing is there yet, or it has been pruned under a slow socket.
        let extent = stream::extent(conn, &part.user_id).await?;
        if part.position < extent.pruned_through {
            return Ok(Next::Pruned(extent.position));
        }
    }
    Ok(Next::Entries(entries))
}

/// The messages of a batch of frames, in a transaction that it begins unless one has begun.
async fn shown(
    conn: &db::Pooled,
    has_begun: bool,
    user_id: &str,
    entries: &[Entry],
) -> Result<Vec<Shown>, db::Error> {
    let wanted = ids(entries, |kind| kind.message());
    let wanted: Vec<_> = wanted.into_iter().map(|id| (user_id, id)).collect();
    let opened = async {
        if has_begun {
            return Ok(());
        }
        // Only so that its statements keep their plans: making them takes many times what they do.
        conn.begin().await
    };
    let ((), mut shown) = try_join(opened, messages::shown_to(conn, &wanted)).await?;
    Ok(shown.remove(user_id).unwrap_or_default())
}

/// What a batch of frames shows.
#[derive(Default)]
struct Rows<'a> {
    messages: HashMap<Uuid, &'a Shown>,
    conversations: HashMap<Uuid, Conversation>,
    connections: HashMap<Uuid, Connection>,
    backfills: HashMap<Uuid, backfill::Progress>,
}

impl<'a> Rows<'a> {
    /// Messages, and nothing else yet.
    fn of(shown: &'a [Shown]) -> Self {
        Self {
            messages: by_key(shown, |shown| shown.message.id),
            ..Self::default()
        }
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
            FrameKind::MessageCreated { message_id, .. } => {
                let shown = self.messages.get(&message_id)?;
                Event::MessageCreated {
                    conversation_id: shown.message.conversation_id,
                    message: Box::new(shown.message.clone()),
                    unread_count: shown.unread_count,
                }
            }
            FrameKind::MessageUpdated { message_id, .. } => {
                let message = &self.messages.get(&message_id)?.message;
                Event::MessageUpdated {
                    conversation_id: message.conversation_id,
                    message: Box::new(message.clone()),
                }
            }
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

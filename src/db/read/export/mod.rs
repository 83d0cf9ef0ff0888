//! Everything of a viewer's, a batch at a time.
//!
//! The order is by what never changes: rooms and, in each, messages by time and event id,
//! then versions by event id, then conversations and connections by id. Where two
//! conversations become one meanwhile, their rooms stay what they are. So what was there
//! when an export began comes exactly once, however often it goes on; what comes in
//! meanwhile comes once or not at all. A batch is read in one transaction, and none is open
//! between two.

mod connections;
mod conversations;
mod files;
mod messages;
mod versions;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    db::Connection,
    model::{
        connection,
        conversation::Conversation,
        export::{ExportedFile, ReadMarker},
        message::{FullMessage, Version},
    },
};

/// Messages, or versions, of a batch at most.
const MOST: i64 = 200;
/// Bytes of text and content that a batch has at most, beyond its first item.
const HEAVIEST: i64 = 1 << 20;

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the messages of a room.
    Messages {
        /// The room.
        room_id: String,
        /// Behind the message with this time and event id; none at the room's beginning.
        after: Option<(DateTime<Utc>, String)>,
    },
    /// In the versions of a room's messages.
    Versions {
        /// The room.
        room_id: String,
        /// Behind this event; none at the room's beginning.
        after: Option<String>,
    },
    /// In the conversations, behind this one.
    Conversations(Option<Uuid>),
    /// In the connections, behind this one.
    Connections(Option<Uuid>),
}

impl Place {
    /// Where an export begins.
    #[must_use]
    pub const fn beginning() -> Self {
        // Before all rooms: none has this name.
        Self::in_messages(String::new())
    }

    const fn in_messages(room_id: String) -> Self {
        Self::Messages {
            room_id,
            after: None,
        }
    }

    const fn in_versions(room_id: String) -> Self {
        Self::Versions {
            room_id,
            after: None,
        }
    }
}

/// What an export consists of.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A message, without its versions.
    Message {
        /// Its room.
        room_id: String,
        /// As it is shown.
        message: Box<FullMessage>,
        /// What it shows.
        media: Vec<ExportedFile>,
    },
    /// A version of an edited message.
    Version {
        /// Its room.
        room_id: String,
        /// The message.
        message_id: Uuid,
        /// Its text.
        version: Version,
        /// The event's content.
        content: Value,
        /// What it shows.
        media: Vec<ExportedFile>,
    },
    /// A conversation, with its participants.
    Conversation {
        /// As it is shown.
        conversation: Box<Conversation>,
        /// The viewer's rooms of it.
        room_ids: Vec<String>,
        /// How far they have read it.
        read_marker: ReadMarker,
        /// Its pictures.
        media: Vec<ExportedFile>,
    },
    /// A connection.
    Connection(Box<connection::Connection>),
}

/// Items, each with the place behind it, and the place behind all of them; none at the end.
/// There may be none in it before the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The items.
    pub items: Vec<(Item, Place)>,
    /// Where it goes on.
    pub next: Option<Place>,
}

/// The batch at a place.
///
/// # Errors
///
/// When a statement fails.
pub async fn batch(conn: &mut Connection, user_id: &str, place: Place) -> QueryResult<Batch> {
    conn.build_transaction()
        .repeatable_read()
        .read_only()
        .run(async |conn| match place {
            Place::Messages { room_id, after } => {
                let items = messages::behind(conn, user_id, &room_id, after).await?;
                let Some(next) = last(&items) else {
                    let next = match next_room(conn, user_id, &room_id).await? {
                        Some(room_id) => Place::in_messages(room_id),
                        None => Place::in_versions(String::new()),
                    };
                    return Ok(Batch::then(items, next));
                };
                Ok(Batch::then(items, next))
            }
            Place::Versions { room_id, after } => {
                let items = versions::behind(conn, user_id, &room_id, after).await?;
                let Some(next) = last(&items) else {
                    let next = next_room(conn, user_id, &room_id).await?;
                    let next = next.map_or(Place::Conversations(None), Place::in_versions);
                    return Ok(Batch::then(items, next));
                };
                Ok(Batch::then(items, next))
            }
            Place::Conversations(after) => {
                let items = conversations::behind(conn, user_id, after).await?;
                let next = last(&items).unwrap_or(Place::Connections(None));
                Ok(Batch::then(items, next))
            }
            Place::Connections(after) => Ok(Batch {
                items: connections::behind(conn, user_id, after).await?,
                next: None,
            }),
        })
        .await
}

impl Batch {
    const fn then(items: Vec<(Item, Place)>, next: Place) -> Self {
        Self {
            items,
            next: Some(next),
        }
    }
}

fn last(items: &[(Item, Place)]) -> Option<Place> {
    items.last().map(|(_, place)| place.clone())
}

/// The viewer's first room behind this one.
async fn next_room(
    conn: &mut Connection,
    user_id: &str,
    room_id: &str,
) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = Nullable<Text>)]
        room_id: Option<String>,
    }
    let next: Next = sql_query(
        "SELECT min(g.room_id COLLATE \"C\") AS room_id FROM tributary.room_grants g
         WHERE g.user_id = $1 AND g.room_id COLLATE \"C\" > $2",
    )
    .bind::<Text, _>(user_id)
    .bind::<Text, _>(room_id)
    .get_result(conn)
    .await?;
    Ok(next.room_id)
}

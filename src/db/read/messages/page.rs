//! Messages of a conversation, a page at a time, and around one of them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{COLUMNS, MAY_SEE_EACH, OF_MESSAGE, Row, by_ids, is_theirs};
use crate::{
    db::{Connection, read::Page},
    model::message::Message,
};

/// A place between two messages of a conversation: behind the one with this
/// time and event id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its time.
    pub timestamp: DateTime<Utc>,
    /// Its event id.
    pub event_id: String,
}

/// In which order messages of a conversation are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The newest first, and then back.
    #[default]
    Newest,
    /// The oldest first, and then on.
    Oldest,
}

impl Order {
    /// How a message compares to the one before it, and how they are sorted.
    const fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::Newest => ("<", "DESC"),
            Self::Oldest => (">", "ASC"),
        }
    }
}

/// Up to `limit` messages of a conversation, the newest first, older than `before`;
/// none when the conversation is not the viewer's.
///
/// # Errors
///
/// When the statement fails.
pub async fn page(
    conn: &mut Connection,
    user_id: &str,
    conversation_id: Uuid,
    before: Option<&Place>,
    limit: i64,
) -> QueryResult<Option<Page<Message, Place>>> {
    page_in(
        conn,
        user_id,
        conversation_id,
        (Order::Newest, before),
        limit,
    )
    .await
}

/// The same in either order, and behind a place in it.
///
/// # Errors
///
/// When the statement fails.
pub async fn page_in(
    conn: &mut Connection,
    user_id: &str,
    conversation_id: Uuid,
    (order, behind): (Order, Option<&Place>),
    limit: i64,
) -> QueryResult<Option<Page<Message, Place>>> {
    let (behind_is, sorted) = order.sql();
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         JOIN tributary.messages m ON m.conversation_id = conv.id
         {OF_MESSAGE}
         WHERE a.user_id = $1 AND a.conversation_id = $2 AND {MAY_SEE_EACH}
           AND ($3::timestamptz IS NULL
                OR (m.timestamp, m.event_id COLLATE \"C\") {behind_is} ($3, $4::text COLLATE \"C\"))
         ORDER BY m.timestamp {sorted}, m.event_id COLLATE \"C\" {sorted}
         LIMIT $5"
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(conversation_id)
    .bind::<Nullable<Timestamptz>, _>(behind.map(|place| place.timestamp))
    .bind::<Nullable<Text>, _>(behind.map(|place| &place.event_id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)
    .await?;
    if rows.is_empty() && !is_theirs(conn, user_id, conversation_id).await? {
        return Ok(None);
    }
    let messages = rows.into_iter().map(Message::from).collect();
    Ok(Some(Page::cut(messages, limit, place_of)))
}

fn place_of(message: &Message) -> Place {
    Place {
        timestamp: message.timestamp,
        event_id: message.matrix_event_id.clone(),
    }
}

/// A message among those around it.
#[derive(Debug)]
pub struct Around {
    /// Its conversation.
    pub conversation_id: Uuid,
    message: Message,
    /// Those before it, the newest first.
    pub older: Page<Message, Place>,
    /// Those after it, the oldest first.
    pub newer: Page<Message, Place>,
}

impl Around {
    /// All of them, the newest first.
    #[must_use]
    pub fn into_items(self) -> Vec<Message> {
        let newer = self.newer.items.into_iter().rev();
        newer
            .chain([self.message])
            .chain(self.older.items)
            .collect()
    }
}

/// A message that the viewer may see, with up to `limit` on either side, as of one moment.
///
/// # Errors
///
/// When a statement fails.
pub async fn around(
    conn: &mut Connection,
    user_id: &str,
    id: Uuid,
    limit: i64,
) -> QueryResult<Option<Around>> {
    let mut snapshot = conn.build_transaction().repeatable_read().read_only();
    snapshot
        .run(async |conn| {
            let Some(message) = by_ids(conn, user_id, &[id]).await?.pop() else {
                return Ok(None);
            };
            let (conversation_id, place) = (message.conversation_id, place_of(&message));
            let mut side = async |order| {
                page_in(conn, user_id, conversation_id, (order, Some(&place)), limit).await
            };
            let (older, newer) = (side(Order::Newest).await?, side(Order::Oldest).await?);
            Ok(older.zip(newer).map(|(older, newer)| Around {
                conversation_id,
                message,
                older,
                newer,
            }))
        })
        .await
}

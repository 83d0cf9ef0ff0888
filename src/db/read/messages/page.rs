//! Messages of a conversation, a page at a time, and around one of them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{COLUMNS, MAY_SEE_EACH, OF_MESSAGE, Row, by_ids, is_theirs};
use crate::{
    db::{Connection, Pooled, plans, read::Page, statement::Keep as _},
    model::message::Message,
};

/// The rooms of a conversation of which viewer `a` may see everything: nothing of them need
/// be asked message by message.
const IN_FULL: &str = "CROSS JOIN LATERAL (
         SELECT ARRAY(SELECT g.room_id FROM tributary.room_grants g
                      WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id
                        AND g.from_at IS NULL AND g.until_at IS NULL) AS rooms OFFSET 0) AS in_full";

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
    conn: &Pooled,
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
    conn: &Pooled,
    user_id: &str,
    conversation_id: Uuid,
    (order, behind): (Order, Option<&Place>),
    limit: i64,
) -> QueryResult<Option<Page<Message, Place>>> {
    // A transaction only so that its statements keep their plans. It goes out together with
    // the first of them.
    let page = read(conn, user_id, conversation_id, (order, behind), limit);
    let ((), page) = try_join(conn.begin(), page).await?;
    conn.leave();
    Ok(page)
}

async fn read(
    conn: &Connection,
    user_id: &str,
    conversation_id: Uuid,
    place: (Order, Option<&Place>),
    limit: i64,
) -> QueryResult<Option<Page<Message, Place>>> {
    let rows = rows(conn, user_id, conversation_id, place, limit).await?;
    if rows.is_empty() && !is_theirs(conn, user_id, conversation_id).await? {
        return Ok(None);
    }
    let messages = rows.into_iter().map(Message::from).collect();
    Ok(Some(Page::cut(messages, limit, place_of)))
}

async fn rows(
    mut conn: &Connection,
    user_id: &str,
    conversation_id: Uuid,
    (order, behind): (Order, Option<&Place>),
    limit: i64,
) -> QueryResult<Vec<Row>> {
    let (behind_is, sorted) = order.sql();
    // Two texts: a plan that is made once for both could not begin behind the place.
    let is_behind = match behind {
        Some(_) => {
            format!("(m.timestamp, m.event_id COLLATE \"C\") {behind_is} ($3, $4 COLLATE \"C\")")
        }
        None => "coalesce($3::text, $4) IS NULL".to_owned(),
    };
    sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         {IN_FULL}
         JOIN tributary.messages m ON m.conversation_id = conv.id
         {OF_MESSAGE}
         WHERE a.user_id = $1 AND a.conversation_id = $2
           AND (m.room_id = ANY(in_full.rooms) OR {MAY_SEE_EACH}) AND {is_behind}
         ORDER BY m.timestamp {sorted}, m.event_id COLLATE \"C\" {sorted}
         LIMIT $5"
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(conversation_id)
    .bind::<Nullable<Timestamptz>, _>(behind.map(|place| place.timestamp))
    .bind::<Nullable<Text>, _>(behind.map(|place| &place.event_id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .kept()
    .load(&mut conn)
    .await
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
            plans::steady(conn).await?;
            let Some(message) = by_ids(conn, user_id, &[id]).await?.pop() else {
                return Ok(None);
            };
            let (conversation_id, place) = (message.conversation_id, place_of(&message));
            let side = async |order| {
                read(conn, user_id, conversation_id, (order, Some(&place)), limit).await
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

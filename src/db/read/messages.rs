//! Messages, for a viewer.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use uuid::Uuid;

use super::{Page, avatar_url};
use crate::{
    db::{
        Connection,
        viewers::{IS_SELF, MAY_SEE},
    },
    model::{
        message::{FullMessage, Message},
        participant::Participant,
    },
};

/// What a message shows, from `m`, its sender `p` and its conversation `conv`, to viewer `a`.
const COLUMNS: &str = "m.id, m.conversation_id, m.event_id, m.type AS kind, m.body, m.formatted_body,
    m.timestamp, m.deleted_at, m.historical,
    (SELECT r.id FROM tributary.messages r WHERE r.room_id = m.room_id AND r.event_id = m.reply_to_event_id)
        AS reply_to,
    (SELECT r.id FROM tributary.messages r WHERE r.room_id = m.room_id AND r.event_id = m.thread_root_event_id)
        AS thread_root,
    p.id AS sender_id, p.matrix_user_id, p.external_id, p.display_name, p.membership,
    (SELECT i.id FROM tributary.media i WHERE i.id = p.avatar_media_id AND i.state = 'stored') AS avatar";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    conversation_id: Uuid,
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Nullable<Text>)]
    formatted_body: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    timestamp: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    deleted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    historical: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    reply_to: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    thread_root: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = Text)]
    matrix_user_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    external_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    display_name: Option<String>,
    #[diesel(sql_type = Text)]
    membership: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    avatar: Option<Uuid>,
    #[diesel(sql_type = Bool)]
    is_self: bool,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            matrix_event_id: row.event_id,
            sender: Participant {
                id: row.sender_id,
                matrix_user_id: row.matrix_user_id,
                external_id: row.external_id,
                display_name: row.display_name,
                avatar_url: avatar_url(row.avatar),
                is_self: row.is_self,
                membership: row.membership,
            },
            kind: row.kind,
            body: row.body,
            formatted_body: row.formatted_body,
            timestamp: row.timestamp,
            edited_at: None,
            deleted_at: row.deleted_at,
            reply_to: row.reply_to,
            thread_root: row.thread_root,
            reactions: Vec::new(),
            attachments: Vec::new(),
            historical: row.historical,
        }
    }
}

/// A place between two messages of a conversation: behind the one with this
/// time and event id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its time.
    pub timestamp: DateTime<Utc>,
    /// Its event id.
    pub event_id: String,
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
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}, {IS_SELF} AS is_self
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         JOIN tributary.messages m ON m.conversation_id = conv.id
         JOIN tributary.participants p ON p.id = m.sender_id
         WHERE a.user_id = $1 AND a.conversation_id = $2 AND {MAY_SEE}
           AND ($3::timestamptz IS NULL
                OR (m.timestamp, m.event_id COLLATE \"C\") < ($3, $4::text COLLATE \"C\"))
         ORDER BY m.timestamp DESC, m.event_id COLLATE \"C\" DESC
         LIMIT $5"
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(conversation_id)
    .bind::<Nullable<Timestamptz>, _>(before.map(|place| place.timestamp))
    .bind::<Nullable<Text>, _>(before.map(|place| &place.event_id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)
    .await?;
    if rows.is_empty() && !is_theirs(conn, user_id, conversation_id).await? {
        return Ok(None);
    }
    let messages = rows.into_iter().map(Message::from).collect();
    Ok(Some(Page::cut(messages, limit, |message: &Message| {
        Place {
            timestamp: message.timestamp,
            event_id: message.matrix_event_id.clone(),
        }
    })))
}

/// Whether a conversation is the viewer's, also without a message.
async fn is_theirs(
    conn: &mut Connection,
    user_id: &str,
    conversation_id: Uuid,
) -> QueryResult<bool> {
    let found = sql_query(
        "SELECT FROM tributary.conversation_access WHERE user_id = $1 AND conversation_id = $2",
    )
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(conversation_id)
    .execute(conn)
    .await?;
    Ok(found > 0)
}

/// A message with its content, if the viewer may see it.
///
/// # Errors
///
/// When a statement fails.
pub async fn full(
    conn: &mut Connection,
    user_id: &str,
    id: Uuid,
) -> QueryResult<Option<FullMessage>> {
    let Some(message) = by_ids(conn, user_id, &[id]).await?.pop() else {
        return Ok(None);
    };
    let content = content_of(conn, user_id, id).await?;
    Ok(Some(FullMessage { message, content }))
}

async fn content_of(conn: &mut Connection, user_id: &str, id: Uuid) -> QueryResult<Option<Value>> {
    #[derive(QueryableByName)]
    struct Content {
        #[diesel(sql_type = Nullable<Jsonb>)]
        content: Option<Value>,
    }
    let row: Option<Content> = sql_query(format!(
        "SELECT m.content FROM tributary.messages m
         JOIN tributary.conversation_access a
           ON a.conversation_id = m.conversation_id AND a.user_id = $1
         WHERE m.id = $2 AND {MAY_SEE}"
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.and_then(|row| row.content))
}

/// Those of these messages that the viewer may see, in no order.
///
/// # Errors
///
/// When the statement fails.
pub async fn by_ids(
    conn: &mut Connection,
    user_id: &str,
    ids: &[Uuid],
) -> QueryResult<Vec<Message>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}, {IS_SELF} AS is_self
         FROM tributary.messages m
         JOIN tributary.conversations conv ON conv.id = m.conversation_id
         JOIN tributary.conversation_access a ON a.conversation_id = conv.id AND a.user_id = $1
         JOIN tributary.participants p ON p.id = m.sender_id
         WHERE m.id = ANY($2) AND {MAY_SEE}"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

/// The newest message that the viewer may see in each of these conversations.
///
/// # Errors
///
/// When the statement fails.
pub async fn last_of(
    conn: &mut Connection,
    user_id: &str,
    conversation_ids: &[Uuid],
) -> QueryResult<Vec<Message>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}, {IS_SELF} AS is_self
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         CROSS JOIN LATERAL (
             SELECT m.* FROM tributary.messages m
             WHERE m.conversation_id = a.conversation_id AND {MAY_SEE}
             ORDER BY m.timestamp DESC, m.event_id COLLATE \"C\" DESC LIMIT 1) AS m
         JOIN tributary.participants p ON p.id = m.sender_id
         WHERE a.user_id = $1 AND a.conversation_id = ANY($2)"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

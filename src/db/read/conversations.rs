//! Conversations, for a viewer.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use uuid::Uuid;

use super::{Page, avatar_url, messages};
use crate::{
    db::{Connection, plans, rooms, statement::Keep as _, stream},
    model::{
        conversation::Conversation,
        frame::{Frame, FrameKind},
    },
};

const COLUMNS: &str = "conv.id, conv.matrix_room_id, conv.network, a.title, a.last_event_at, a.sort_at,
    a.unread_count, conv.is_group, conv.created_at,
    CASE WHEN a.has_left THEN a.updated_at ELSE greatest(a.updated_at, conv.updated_at) END AS updated_at,
    (SELECT i.id FROM tributary.media i
     WHERE i.id = CASE WHEN a.has_left THEN a.former_avatar_media_id ELSE conv.avatar_media_id END
       AND i.state = 'stored') AS avatar";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    matrix_room_id: String,
    #[diesel(sql_type = Text)]
    network: String,
    #[diesel(sql_type = Nullable<Text>)]
    title: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_event_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    sort_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    unread_count: i32,
    #[diesel(sql_type = Bool)]
    is_group: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    avatar: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    updated_at: DateTime<Utc>,
}

/// A place between two conversations of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What the conversation before it is ordered by.
    pub sort_at: DateTime<Utc>,
    /// That conversation.
    pub id: Uuid,
}

/// Where a viewer's stream stands, and in which life of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The database's epoch.
    pub epoch: Uuid,
    /// The stream's last position.
    pub position: i64,
}

/// A [`page`] and the place in the viewer's stream that it shows: what the stream
/// says up to there is in the page, what it says later is not.
///
/// # Errors
///
/// When a statement fails.
pub async fn snapshot(
    conn: &mut Connection,
    user_id: &str,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<(Page<Conversation, Place>, At)> {
    conn.build_transaction()
        .repeatable_read()
        .read_only()
        .run(async |conn| {
            plans::steady(conn).await?;
            let at = At {
                epoch: stream::epoch(conn).await?,
                position: stream::extent(conn, user_id).await?.position,
            };
            Ok((page(conn, user_id, after, limit).await?, at))
        })
        .await
}

/// Up to `limit` conversations of a viewer, those with the newest messages first,
/// behind `after`.
///
/// # Errors
///
/// When a statement fails.
pub async fn page(
    conn: &mut Connection,
    user_id: &str,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Page<Conversation, Place>> {
    // Two texts: a plan that is made once for both could not begin behind the place.
    let is_behind = match after {
        Some(_) => "(a.sort_at, a.conversation_id) < ($2, $3)",
        None => "coalesce($2::text, $3::text) IS NULL",
    };
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         WHERE a.user_id = $1 AND {is_behind}
         ORDER BY a.sort_at DESC, a.conversation_id DESC
         LIMIT $4"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Nullable<Timestamptz>, _>(after.map(|place| place.sort_at))
    .bind::<Nullable<SqlUuid>, _>(after.map(|place| place.id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .kept()
    .load(conn)
    .await?;
    let Page { items, next } = Page::cut(rows, limit, |row: &Row| Place {
        sort_at: row.sort_at,
        id: row.id,
    });
    let items = with_last_messages(conn, user_id, items).await?;
    Ok(Page { items, next })
}

/// Those of these conversations that are the viewer's, in no order.
///
/// # Errors
///
/// When a statement fails.
pub async fn by_ids(
    conn: &mut Connection,
    user_id: &str,
    ids: &[Uuid],
) -> QueryResult<Vec<Conversation>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         WHERE a.user_id = $1 AND a.conversation_id = ANY($2)"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .kept()
    .load(conn)
    .await?;
    with_last_messages(conn, user_id, rows).await
}

async fn with_last_messages(
    conn: &mut Connection,
    user_id: &str,
    rows: Vec<Row>,
) -> QueryResult<Vec<Conversation>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let last = messages::last_of(conn, user_id, &ids).await?;
    let mut last: HashMap<_, _> = last
        .into_iter()
        .map(|message| (message.conversation_id, message))
        .collect();
    let conversation = |row: Row| Conversation {
        last_message: last.remove(&row.id),
        id: row.id,
        matrix_room_id: row.matrix_room_id,
        network: row.network,
        title: row.title,
        avatar_url: avatar_url(row.avatar),
        is_group: row.is_group,
        last_event_at: row.last_event_at,
        unread_count: row.unread_count,
        participants: None,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(rows.into_iter().map(conversation).collect())
}

/// Marks everything read that this viewer has in a conversation, and tells their
/// stream if something was not; none when the conversation is not theirs.
///
/// It takes turns with whoever stores messages there: one that is being stored
/// would be counted as unread by its writer and as read by whoever counts again.
///
/// # Errors
///
/// When a statement fails.
pub async fn mark_read(
    conn: &mut Connection,
    user_id: &str,
    conversation_id: Uuid,
) -> QueryResult<Option<Vec<stream::Head>>> {
    conn.transaction(async |conn| {
        rooms::lock_conversation(conn, conversation_id).await?;
        let frames = match reset_unread(conn, user_id, conversation_id).await? {
            None => return Ok(None),
            Some(0) => Vec::new(),
            Some(_) => vec![Frame {
                user_id: user_id.to_owned(),
                kind: FrameKind::ConversationUpdated { conversation_id },
            }],
        };
        stream::append(conn, &frames).await.map(Some)
    })
    .await
}

/// How many were unread.
async fn reset_unread(
    conn: &mut Connection,
    user_id: &str,
    conversation_id: Uuid,
) -> QueryResult<Option<i32>> {
    #[derive(QueryableByName)]
    struct Before {
        #[diesel(sql_type = Integer)]
        unread_count: i32,
    }
    let before: Option<Before> = sql_query(
        "WITH before AS (
             SELECT user_id, conversation_id, unread_count FROM tributary.conversation_access
             WHERE user_id = $1 AND conversation_id = $2 FOR UPDATE
         )
         UPDATE tributary.conversation_access a
         SET unread_count = 0, read_at = clock_timestamp(),
             updated_at = CASE WHEN b.unread_count = 0 THEN a.updated_at ELSE now() END
         FROM before b
         WHERE (a.user_id, a.conversation_id) = (b.user_id, b.conversation_id)
         RETURNING b.unread_count",
    )
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(conversation_id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(before.map(|before| before.unread_count))
}

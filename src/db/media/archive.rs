//! What the archive has to fetch, and what became of it.
//!
//! A row of `tributary.media` is work while it is `pending` and due: whoever folds needs
//! to queue nothing. It is settled in a transaction that has locked the rooms which show it
//! first, then the row, then its object ([`super::objects`]).

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{
        Array, BigInt, Binary, Bool, Double, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid,
    },
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use uuid::Uuid;

use crate::{db::Connection, model::media::ContentHash};

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct Due {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Where it is.
    #[diesel(sql_type = Text)]
    pub mxc: String,
    /// Tries that failed.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// What the message that shows it says that it is.
    #[diesel(sql_type = Nullable<Text>)]
    pub mime_type: Option<String>,
    /// The `file` of that message's content, when it is encrypted.
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub file: Option<Value>,
}

/// At most `limit` files that are due and none of those `in_hand`, the newest first: what
/// was just sent must not wait for what a backfill has found.
///
/// # Errors
///
/// When the statement fails.
pub async fn due(mut conn: &Connection, in_hand: &[Uuid], limit: i64) -> QueryResult<Vec<Due>> {
    // The message that brought it first says how it is to be read. What shows it is what
    // says so: the version, where there is one, or the message.
    sql_query(
        "SELECT i.id, i.mxc, i.attempts, said.mime_type, said.file
         FROM (SELECT * FROM tributary.media
               WHERE state = 'pending' AND (due_at IS NULL OR due_at <= now()) AND id <> ALL($1)
               ORDER BY id DESC LIMIT $2) AS i
         LEFT JOIN LATERAL (
             SELECT a.mime_type,
                    CASE WHEN jsonb_typeof(said.content -> 'url') IS DISTINCT FROM 'string'
                         THEN said.content -> 'file' END AS file
             FROM tributary.attachments a
             LEFT JOIN LATERAL (
                 SELECT coalesce(
                     (SELECT v.content FROM tributary.message_versions v
                      WHERE v.room_id = a.room_id AND v.event_id = a.event_id),
                     (SELECT m.content FROM tributary.messages m
                      WHERE m.room_id = a.room_id AND m.event_id = a.event_id)) AS content
             ) AS said ON true
             WHERE a.media_id = i.id
             ORDER BY said.content IS NULL, a.room_id, a.event_id LIMIT 1) AS said ON true
         ORDER BY i.id DESC",
    )
    .bind::<Array<SqlUuid>, _>(in_hand)
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await
}

#[derive(QueryableByName)]
struct Yes {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// Whether there is any, and nobody who fetches it.
///
/// # Errors
///
/// When the statement fails.
pub async fn any_due(mut conn: &Connection) -> QueryResult<bool> {
    let row: Yes = sql_query(
        "SELECT EXISTS (SELECT 1 FROM tributary.media
                        WHERE state = 'pending' AND (due_at IS NULL OR due_at <= now()))
             AND NOT EXISTS (SELECT 1 FROM tributary.jobs
                             WHERE kind = 'archive' AND state IN ('queued', 'running', 'waiting')) AS yes",
    )
    .get_result(&mut conn)
    .await?;
    Ok(row.yes)
}

/// Locks a file's row, in a statement of its own; false when nothing shows it any more.
///
/// # Errors
///
/// When the statement fails.
pub async fn lock(mut conn: &Connection, id: Uuid) -> QueryResult<bool> {
    let rows = sql_query("SELECT 1 FROM tributary.media WHERE id = $1 FOR UPDATE")
        .bind::<SqlUuid, _>(id)
        .execute(&mut conn)
        .await?;
    Ok(rows == 1)
}

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is in the store.
    Stored {
        /// Its content.
        hash: ContentHash,
        /// Bytes.
        size: u64,
        /// What it really is.
        mime_type: String,
    },
    /// It is larger than what is kept.
    TooLarge,
    /// It is of a type that is not kept, or not for us.
    Forbidden,
    /// The homeserver does not have it.
    Missing,
    /// It cannot be had.
    Failed,
}

impl Settled {
    /// The `state` of the row.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Stored { .. } => "stored",
            Self::TooLarge => "too_large",
            Self::Forbidden => "forbidden",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// Writes down what became of a file whose row is locked.
///
/// # Errors
///
/// When the statement fails.
pub async fn settle(
    mut conn: &Connection,
    id: Uuid,
    settled: &Settled,
    error: Option<&str>,
) -> QueryResult<()> {
    let (hash, size, mime_type) = match settled {
        Settled::Stored {
            hash,
            size,
            mime_type,
        } => (
            Some(&hash.0[..]),
            Some(i64::try_from(*size).unwrap_or(i64::MAX)),
            Some(mime_type.as_str()),
        ),
        _ => (None, None, None),
    };
    sql_query(
        "UPDATE tributary.media
         SET state = $2, sha256 = $3, size = $4, mime_type = $5, error = $6, due_at = NULL,
             settled_at = now()
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(settled.state())
    .bind::<Nullable<Binary>, _>(hash)
    .bind::<Nullable<BigInt>, _>(size)
    .bind::<Nullable<Text>, _>(mime_type)
    .bind::<Nullable<Text>, _>(error)
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// A try failed: the next one is due after so many seconds. It counts, unless it was not
/// the file's fault.
///
/// # Errors
///
/// When the statement fails.
pub async fn put_off(
    mut conn: &Connection,
    id: Uuid,
    seconds: f64,
    counts: bool,
    error: &str,
) -> QueryResult<()> {
    sql_query(
        "UPDATE tributary.media
         SET due_at = now() + make_interval(secs => $2), attempts = attempts + $3::int, error = $4
         WHERE id = $1 AND state = 'pending'",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Double, _>(seconds)
    .bind::<Integer, _>(i32::from(counts))
    .bind::<Text, _>(error)
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// What shows a file: messages by room and event, and conversations by their picture or
/// that of somebody in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct ShownBy {
    /// The rooms of all of it, sorted.
    #[diesel(sql_type = Array<Text>)]
    pub rooms: Vec<String>,
    /// The rooms of the messages.
    #[diesel(sql_type = Array<Text>)]
    pub message_rooms: Vec<String>,
    /// Their events.
    #[diesel(sql_type = Array<Text>)]
    pub message_events: Vec<String>,
    /// The conversations: those that show it now, since whoever has left is told nothing.
    #[diesel(sql_type = Array<SqlUuid>)]
    pub conversations: Vec<Uuid>,
}

/// Finds what shows a file.
///
/// # Errors
///
/// When the statement fails.
pub async fn shown_by(mut conn: &Connection, id: Uuid) -> QueryResult<ShownBy> {
    let shown: Option<ShownBy> = sql_query(
        "WITH messages AS (
             SELECT DISTINCT room_id, target_event_id AS event_id FROM tributary.attachments WHERE media_id = $1
         ), conversations AS (
             SELECT id FROM tributary.conversations WHERE avatar_media_id = $1
             UNION
             SELECT conversation_id FROM tributary.participants WHERE avatar_media_id = $1
         ), former AS (
             SELECT conversation_id AS id FROM tributary.conversation_access WHERE former_avatar_media_id = $1
             UNION
             SELECT conversation_id FROM tributary.former_people WHERE avatar_media_id = $1
         )
         SELECT ARRAY(SELECT room_id FROM messages
                      UNION
                      SELECT r.room_id FROM tributary.rooms r
                      JOIN (TABLE conversations UNION TABLE former) AS c ON c.id = r.conversation_id
                      ORDER BY 1) AS rooms,
                ARRAY(SELECT room_id FROM messages ORDER BY room_id, event_id) AS message_rooms,
                ARRAY(SELECT event_id FROM messages ORDER BY room_id, event_id) AS message_events,
                ARRAY(SELECT id FROM conversations ORDER BY id) AS conversations",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(&mut conn)
    .await
    .optional()?;
    Ok(shown.unwrap_or_default())
}

//! What of a room nobody holds goes, a batch at a time.
//!
//! A batch leaves nothing half: a message goes with its versions, reactions and files;
//! an edit or a reaction goes with what its message shows of it. What somebody holds is
//! not touched, so they see the same before, after and in between. The caller holds the
//! locks of the room and of all others of its conversation.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::{Connection, grants::covers, messages};

/// May anybody still see what was received in this room at this time?
macro_rules! held {
    ($room_id:literal, $received_at:literal $(, $origin_server_ts:literal)?) => {
        concat!(
            "EXISTS (SELECT 1 FROM tributary.room_grants g WHERE g.room_id = ",
            $room_id,
            " AND ",
            covers!($received_at $(, $origin_server_ts)?),
            ")"
        )
    };
}

/// A batch of messages that was looked at.
#[derive(Debug, Clone, QueryableByName)]
pub struct Looked {
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub looked: i64,
    /// How many of them went.
    #[diesel(sql_type = BigInt)]
    pub gone: i64,
    /// The last one's event id; none when there was none.
    #[diesel(sql_type = Nullable<Text>)]
    pub last: Option<String>,
    /// What their files were.
    #[diesel(sql_type = Array<SqlUuid>)]
    pub media: Vec<Uuid>,
}

/// Looks at up to `most` messages behind an event id, and deletes those of them that
/// nobody holds, with all that hangs on them.
///
/// # Errors
///
/// When the statement fails.
pub async fn messages(
    conn: &mut Connection,
    room_id: &str,
    after_event: &str,
    most: i64,
) -> QueryResult<Looked> {
    sql_query(concat!(
        "WITH looked AS MATERIALIZED (
             SELECT m.room_id, m.event_id, m.received_at, m.origin_server_ts FROM tributary.messages m
             WHERE m.room_id = $1 AND m.event_id > $2 ORDER BY m.event_id LIMIT $3
         ), unheld AS MATERIALIZED (
             SELECT l.event_id FROM looked l WHERE NOT ",
        held!("l.room_id", "l.received_at", "l.origin_server_ts"),
        "), gone AS (
             DELETE FROM tributary.messages t USING unheld u
             WHERE t.room_id = $1 AND t.event_id = u.event_id
         ), versions AS (
             DELETE FROM tributary.message_versions t USING unheld u
             WHERE t.room_id = $1 AND t.target_event_id = u.event_id
         ), reactions AS (
             DELETE FROM tributary.reactions t USING unheld u
             WHERE t.room_id = $1 AND t.target_event_id = u.event_id
         ), files AS (
             DELETE FROM tributary.attachments t USING unheld u
             WHERE t.room_id = $1 AND t.target_event_id = u.event_id
             RETURNING t.media_id
         )
         SELECT (SELECT count(*) FROM looked) AS looked, (SELECT max(event_id) FROM looked) AS last,
                (SELECT count(*) FROM unheld) AS gone,
                ARRAY(SELECT DISTINCT media_id FROM files) AS media"
    ))
    .bind::<Text, _>(room_id)
    .bind::<Text, _>(after_event)
    .bind::<BigInt, _>(most)
    .get_result(conn)
    .await
}

/// Edits and reactions that went.
#[derive(Debug, Clone)]
pub struct Unrelated {
    /// How many of either at most.
    pub gone: i64,
    /// What the edits' files were.
    pub media: Vec<Uuid>,
}

/// Deletes up to `most` edits, and as many reactions, that came when whoever is left had
/// left the room, and derives again what their messages show.
///
/// # Errors
///
/// When a statement fails.
pub async fn relations(conn: &mut Connection, room_id: &str, most: i64) -> QueryResult<Unrelated> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        gone: i64,
        #[diesel(sql_type = Array<Text>)]
        about: Vec<String>,
        #[diesel(sql_type = Array<SqlUuid>)]
        media: Vec<Uuid>,
    }
    let row: Row = sql_query(concat!(
        "WITH versions AS (
             DELETE FROM tributary.message_versions v
             WHERE v.room_id = $1 AND v.event_id IN (
                 SELECT t.event_id FROM tributary.message_versions t WHERE t.room_id = $1 AND NOT ",
        held!("t.room_id", "t.received_at", "t.origin_server_ts"),
        "        LIMIT $2)
             RETURNING v.event_id, v.target_event_id
         ), reactions AS (
             DELETE FROM tributary.reactions r
             WHERE r.room_id = $1 AND r.event_id IN (
                 SELECT t.event_id FROM tributary.reactions t WHERE t.room_id = $1 AND NOT ",
        held!("t.room_id", "t.received_at", "t.origin_server_ts"),
        "        LIMIT $2)
             RETURNING r.target_event_id
         ), files AS (
             DELETE FROM tributary.attachments t USING versions v
             WHERE t.room_id = $1 AND t.event_id = v.event_id
             RETURNING t.media_id
         ), queued AS (
             INSERT INTO tributary.search_queue (message_id)
             SELECT m.id FROM versions v
             JOIN tributary.messages m ON m.room_id = $1 AND m.event_id = v.target_event_id
         )
         SELECT greatest((SELECT count(*) FROM versions), (SELECT count(*) FROM reactions)) AS gone,
                ARRAY(SELECT target_event_id FROM versions
                      UNION SELECT target_event_id FROM reactions) AS about,
                ARRAY(SELECT DISTINCT media_id FROM files) AS media"
    ))
    .bind::<Text, _>(room_id)
    .bind::<BigInt, _>(most)
    .get_result(conn)
    .await?;
    if !row.about.is_empty() {
        let rooms = vec![room_id.to_owned(); row.about.len()];
        messages::derive(conn, &rooms, &row.about).await?;
    }
    Ok(Unrelated {
        gone: row.gone,
        media: row.media,
    })
}

/// Deletes up to `most` dead letters that nobody holds. They have no readable receipt
/// time: when they came must do.
///
/// # Errors
///
/// When the statement fails.
pub async fn dead_letters(conn: &mut Connection, room_id: &str, most: i64) -> QueryResult<i64> {
    let gone = sql_query(concat!(
        "DELETE FROM tributary.dead_letters WHERE id IN (
             SELECT l.id FROM tributary.dead_letters l WHERE l.room_id = $1 AND NOT ",
        held!("l.room_id", "l.created_at"),
        "    LIMIT $2)"
    ))
    .bind::<Text, _>(room_id)
    .bind::<BigInt, _>(most)
    .execute(conn)
    .await?;
    Ok(count(gone))
}

/// Deletes up to `most` rows of each kind of a room that nobody holds, of which only what
/// mapping needs stays; returns how many of a kind there were at most.
///
/// # Errors
///
/// When a statement fails.
pub async fn rest(conn: &mut Connection, room_id: &str, most: i64) -> QueryResult<i64> {
    const UNHELD: &str = "NOT EXISTS (SELECT 1 FROM tributary.room_grants g WHERE g.room_id = $1)";
    let mut gone = 0;
    for (table, key) in [
        ("state_events", "event_id"),
        ("redactions", "event_id"),
        ("receipts", "user_id"),
    ] {
        let rows = sql_query(format!(
            "DELETE FROM tributary.{table} WHERE room_id = $1 AND {key} IN (
                 SELECT {key} FROM tributary.{table} WHERE room_id = $1 AND {UNHELD} LIMIT $2)"
        ))
        .bind::<Text, _>(room_id)
        .bind::<BigInt, _>(most)
        .execute(conn)
        .await?;
        gone = gone.max(count(rows));
    }
    // Whoever links later has it filled again.
    sql_query(format!(
        "UPDATE tributary.rooms SET fold_version = 0, last_event_at = NULL
         WHERE room_id = $1 AND {UNHELD}"
    ))
    .bind::<Text, _>(room_id)
    .execute(conn)
    .await?;
    sql_query(format!(
        "DELETE FROM tributary.walks WHERE room_id = $1 AND {UNHELD}"
    ))
    .bind::<Text, _>(room_id)
    .execute(conn)
    .await?;
    Ok(gone)
}

/// Deletes the conversation of a room when nobody holds anything of it and no erasure has
/// anything left to do there; returns the pictures that it showed.
///
/// # Errors
///
/// When a statement fails.
pub async fn conversation(conn: &mut Connection, room_id: &str) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Empty {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Array<SqlUuid>)]
        media: Vec<Uuid>,
    }
    let empty: Option<Empty> = sql_query(
        "SELECT c.id,
                ARRAY(SELECT c.avatar_media_id WHERE c.avatar_media_id IS NOT NULL
                      UNION
                      SELECT p.avatar_media_id FROM tributary.participants p
                      WHERE p.conversation_id = c.id AND p.avatar_media_id IS NOT NULL) AS media
         FROM tributary.conversations c
         WHERE c.id = (SELECT conversation_id FROM tributary.rooms WHERE room_id = $1)
           AND NOT EXISTS (SELECT 1 FROM tributary.room_grants g WHERE g.conversation_id = c.id)
           AND NOT EXISTS (SELECT 1 FROM tributary.messages m WHERE m.conversation_id = c.id)
           AND NOT EXISTS (SELECT 1 FROM tributary.erasure_rooms e
                           JOIN tributary.rooms r USING (room_id) WHERE r.conversation_id = c.id)",
    )
    .bind::<Text, _>(room_id)
    .get_result(conn)
    .await
    .optional()?;
    let Some(empty) = empty else {
        return Ok(Vec::new());
    };
    sql_query("DELETE FROM tributary.conversations WHERE id = $1")
        .bind::<SqlUuid, _>(empty.id)
        .execute(conn)
        .await?;
    Ok(empty.media)
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

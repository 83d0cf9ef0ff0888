//! Dead letters: events of mapped rooms that could not be taken in, verbatim.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, read::Page, redactions::Gone, statement::Keep as _};
use crate::model::dead_letter;

/// An event that could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its room.
    pub room_id: String,
    /// Its event id.
    pub event_id: String,
    /// Its JSON, as it came.
    pub raw: String,
    /// What is wrong with it, without any of its content.
    pub error: &'static str,
    /// The event that it edits or reacts to.
    pub about: Option<String>,
    /// When the homeserver received it: decides whether anybody may see it.
    pub received_at: DateTime<Utc>,
}

/// Keeps dead letters, except of what is already redacted, and of edits of or reactions
/// to what is redacted or an edit itself; returns how many were new.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &mut Connection, letters: &[DeadLetter]) -> QueryResult<usize> {
    if letters.is_empty() {
        return Ok(0);
    }
    sql_query(
        "INSERT INTO tributary.dead_letters (id, room_id, event_id, raw, error, target_event_id)
         SELECT tributary.uuid_v7(), l.*
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
              AS l(room_id, event_id, raw, error, target)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.redactions d
                           WHERE d.room_id = l.room_id AND d.redacts = l.event_id)
           AND NOT EXISTS (SELECT 1 FROM tributary.redactions d
                           WHERE d.room_id = l.room_id AND d.redacts = l.target)
           AND NOT EXISTS (SELECT 1 FROM tributary.message_versions v
                           WHERE v.room_id = l.room_id AND v.event_id = l.target
                             AND v.target_event_id <> v.event_id)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(letters.iter().map(|l| &l.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(letters.iter().map(|l| &l.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(letters.iter().map(|l| &l.raw).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(letters.iter().map(|l| l.error).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(letters.iter().map(|l| l.about.as_ref()).collect::<Vec<_>>())
    .execute(conn)
    .await
}

/// Removes those of these events; the room and the id of each stand at one index.
/// The caller holds the rooms' locks.
///
/// # Errors
///
/// When the statement fails.
pub async fn remove(
    mut conn: &Connection,
    room_ids: &[String],
    event_ids: &[String],
) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM tributary.dead_letters l
         USING unnest($1::text[], $2::text[]) AS t(room_id, event_id)
         WHERE l.room_id = t.room_id AND l.event_id = t.event_id",
    )
    .bind::<Array<Text>, _>(room_ids)
    .bind::<Array<Text>, _>(event_ids)
    .kept()
    .execute(&mut conn)
    .await
}

/// Removes the letters that are `about` these events, and the events' own.
///
/// # Errors
///
/// When the statement fails.
pub async fn redact(mut conn: &Connection, gone: &Gone) -> QueryResult<usize> {
    sql_query(
        "WITH targets AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bool[]) AS t(room_id, event_id, itself)),
         gone AS (
             SELECT l.id FROM targets t JOIN tributary.dead_letters l
               ON l.room_id = t.room_id AND l.event_id = t.event_id WHERE t.itself
             UNION
             SELECT l.id FROM targets t JOIN tributary.dead_letters l
               ON l.room_id = t.room_id AND l.target_event_id = t.event_id
         )
         DELETE FROM tributary.dead_letters l USING gone g WHERE l.id = g.id",
    )
    .bind::<Array<Text>, _>(&gone.rooms)
    .bind::<Array<Text>, _>(&gone.events)
    .bind::<Array<Bool>, _>(&gone.itself)
    .kept()
    .execute(&mut conn)
    .await
}

/// Those of these events of a room of which a letter is kept.
///
/// # Errors
///
/// When the statement fails.
pub async fn among(
    mut conn: &Connection,
    room_id: &str,
    event_ids: &[&str],
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = Text)]
        event_id: String,
    }
    let kept: Vec<Kept> = sql_query(
        "SELECT event_id FROM tributary.dead_letters WHERE room_id = $1 AND event_id = ANY($2)",
    )
    .bind::<Text, _>(room_id)
    .bind::<Array<Text>, _>(event_ids)
    .kept()
    .load(&mut conn)
    .await?;
    Ok(kept.into_iter().map(|row| row.event_id).collect())
}

/// The room of a letter.
///
/// # Errors
///
/// When the statement fails.
pub async fn room_of(mut conn: &Connection, id: Uuid) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Room {
        #[diesel(sql_type = Text)]
        room_id: String,
    }
    let room: Option<Room> = sql_query("SELECT room_id FROM tributary.dead_letters WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(&mut conn)
        .await
        .optional()?;
    Ok(room.map(|row| row.room_id))
}

/// A letter as it is kept, for whoever takes it in again.
#[derive(Debug, Clone, QueryableByName)]
pub struct Kept {
    /// Its event id.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// The event's JSON, as it came.
    #[diesel(sql_type = Text)]
    pub raw: String,
    /// When it arrived.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// A letter, locked until the transaction ends. The caller holds its room's lock.
///
/// # Errors
///
/// When the statement fails.
pub async fn lock(conn: &mut Connection, id: Uuid) -> QueryResult<Option<Kept>> {
    sql_query(
        "SELECT event_id, raw, created_at FROM tributary.dead_letters WHERE id = $1 FOR UPDATE",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()
}

/// A place between two letters of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the letter before it arrived.
    pub created_at: DateTime<Utc>,
    /// That letter.
    pub id: Uuid,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    room_id: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    conversation_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    error: String,
    #[diesel(sql_type = Integer)]
    bytes: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

/// Up to `limit` letters, of all rooms or of one, the newest first, behind `after`.
///
/// # Errors
///
/// When the statement fails.
pub async fn page(
    conn: &mut Connection,
    room_id: Option<&str>,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Page<dead_letter::DeadLetter, Place>> {
    let rows: Vec<Row> = sql_query(
        "SELECT l.id, l.room_id, r.conversation_id, l.event_id, l.error,
                octet_length(l.raw) AS bytes, l.created_at
         FROM tributary.dead_letters l LEFT JOIN tributary.rooms r USING (room_id)
         WHERE ($1::text IS NULL OR l.room_id = $1)
           AND ($2::timestamptz IS NULL OR (l.created_at, l.id) < ($2, $3::uuid))
         ORDER BY l.created_at DESC, l.id DESC
         LIMIT $4",
    )
    .bind::<Nullable<Text>, _>(room_id)
    .bind::<Nullable<Timestamptz>, _>(after.map(|place| place.created_at))
    .bind::<Nullable<SqlUuid>, _>(after.map(|place| place.id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)
    .await?;
    let Page { items, next } = Page::cut(rows, limit, |row: &Row| Place {
        created_at: row.created_at,
        id: row.id,
    });
    let items = items.into_iter().map(Row::shown).collect();
    Ok(Page { items, next })
}

impl Row {
    fn shown(self) -> dead_letter::DeadLetter {
        dead_letter::DeadLetter {
            id: self.id,
            room_id: self.room_id,
            conversation_id: self.conversation_id,
            event_id: self.event_id,
            error: self.error,
            bytes: self.bytes,
            created_at: self.created_at,
        }
    }
}

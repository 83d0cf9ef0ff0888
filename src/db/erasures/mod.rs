//! `tributary.erasures`: what is, or was, erased.
//!
//! An erasure begins with access ([`access`]): from that commit on its user sees
//! nothing of it. What then nobody holds any more goes room by room, in batches
//! ([`sweep`], [`remnants`]); how far it is is in `erasure_rooms`, so whoever goes on needs to know
//! nothing else, and two that do at once only wait for each other.

pub mod access;
pub mod remnants;
pub mod sweep;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Connection;
use crate::model::erasure::Cause;

/// An erasure that begins.
#[derive(Debug, Clone, Copy)]
pub struct NewErasure<'a> {
    /// Its id.
    pub id: Uuid,
    /// Why.
    pub cause: Cause,
    /// The Clerk user; only a hash of it is kept.
    pub user_id: &'a str,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// How many conversations are gone for the user.
    pub conversations: usize,
}

/// What went in a step, or in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub messages: i64,
    /// Files and pictures.
    pub media: i64,
    /// Events that could not be taken in.
    pub dead_letters: i64,
}

/// The receipt of an erasure that has finished.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Receipt {
    /// Why.
    #[diesel(sql_type = Text)]
    pub cause: String,
    /// Conversations that are gone for the user.
    #[diesel(sql_type = Integer)]
    pub conversations: i32,
    /// Messages.
    #[diesel(sql_type = BigInt)]
    pub messages: i64,
    /// Files and pictures.
    #[diesel(sql_type = BigInt)]
    pub media: i64,
    /// Events that could not be taken in.
    #[diesel(sql_type = BigInt)]
    pub dead_letters: i64,
}

/// Writes down that an erasure begins, and which of these rooms it has to go through:
/// not those of which somebody holds everything.
///
/// # Errors
///
/// When a statement fails.
pub async fn begin(
    conn: &mut Connection,
    erasure: NewErasure<'_>,
    room_ids: &[String],
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO tributary.erasures (id, cause, user_hash, requested_at, conversations)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind::<SqlUuid, _>(erasure.id)
    .bind::<Text, _>(erasure.cause.as_str())
    .bind::<Binary, _>(Sha256::digest(erasure.user_id).as_slice())
    .bind::<Timestamptz, _>(erasure.requested_at)
    .bind::<Integer, _>(i32::try_from(erasure.conversations).unwrap_or(i32::MAX))
    .execute(conn)
    .await?;
    sql_query(
        "INSERT INTO tributary.erasure_rooms (erasure_id, room_id)
         SELECT $1, r.room_id FROM tributary.rooms r
         WHERE r.room_id = ANY($2) AND NOT EXISTS (
             SELECT 1 FROM tributary.room_grants g
             WHERE g.room_id = r.room_id AND g.from_at IS NULL AND g.until_at IS NULL)",
    )
    .bind::<SqlUuid, _>(erasure.id)
    .bind::<Array<Text>, _>(room_ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which erasures of a user's have begun: another answer means that one has, or that a
/// receipt has been kept long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Begun {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    newest: Option<DateTime<Utc>>,
}

/// Which erasures of a user's have begun.
///
/// # Errors
///
/// When the statement fails.
pub async fn begun(conn: &mut Connection, user_id: &str) -> QueryResult<Begun> {
    sql_query(
        "SELECT count(*) AS count, max(requested_at) AS newest
         FROM tributary.erasures WHERE user_hash = $1",
    )
    .bind::<Binary, _>(Sha256::digest(user_id).as_slice())
    .get_result(conn)
    .await
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// A room that it has yet to go through.
///
/// # Errors
///
/// When the statement fails.
pub async fn next_room(conn: &mut Connection, id: Uuid) -> QueryResult<Option<String>> {
    let row: Option<Word> = sql_query(
        "SELECT room_id AS word FROM tributary.erasure_rooms WHERE erasure_id = $1
         ORDER BY room_id LIMIT 1",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.word))
}

/// Up to which event id a room has been gone through; none when it is done.
///
/// # Errors
///
/// When the statement fails.
pub async fn place(conn: &mut Connection, id: Uuid, room_id: &str) -> QueryResult<Option<String>> {
    let row: Option<Word> = sql_query(
        "SELECT after_event AS word FROM tributary.erasure_rooms
         WHERE erasure_id = $1 AND room_id = $2",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(room_id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.word))
}

/// Notes up to which event id a room has been gone through.
///
/// # Errors
///
/// When the statement fails.
pub async fn move_place(
    conn: &mut Connection,
    id: Uuid,
    room_id: &str,
    after_event: &str,
) -> QueryResult<()> {
    sql_query(
        "UPDATE tributary.erasure_rooms SET after_event = $3
         WHERE erasure_id = $1 AND room_id = $2",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(room_id)
    .bind::<Text, _>(after_event)
    .execute(conn)
    .await?;
    Ok(())
}

/// It is through with a room.
///
/// # Errors
///
/// When the statement fails.
pub async fn leave_room(conn: &mut Connection, id: Uuid, room_id: &str) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.erasure_rooms WHERE erasure_id = $1 AND room_id = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(room_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds to what went.
///
/// # Errors
///
/// When the statement fails.
pub async fn count(conn: &mut Connection, id: Uuid, counts: Counts) -> QueryResult<()> {
    if counts == Counts::default() {
        return Ok(());
    }
    sql_query(
        "UPDATE tributary.erasures
         SET messages = messages + $2, media = media + $3, dead_letters = dead_letters + $4
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(counts.messages)
    .bind::<BigInt, _>(counts.media)
    .bind::<BigInt, _>(counts.dead_letters)
    .execute(conn)
    .await?;
    Ok(())
}

/// Finishes an erasure that is through with all its rooms; none when somebody else
/// has done so.
///
/// # Errors
///
/// When the statement fails.
pub async fn finish(
    conn: &mut Connection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<Receipt>> {
    sql_query(
        "UPDATE tributary.erasures SET finished_at = $2 WHERE id = $1 AND finished_at IS NULL
         RETURNING cause, conversations, messages, media, dead_letters",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

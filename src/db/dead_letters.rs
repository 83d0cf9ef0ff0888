//! Dead letters: events of mapped rooms that could not be taken in, verbatim.

use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{Connection, statement::Keep as _};

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
}

/// Keeps dead letters, except of what is already redacted; returns how many were new.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &mut Connection, letters: &[DeadLetter]) -> QueryResult<usize> {
    if letters.is_empty() {
        return Ok(0);
    }
    sql_query(
        "INSERT INTO tributary.dead_letters (id, room_id, event_id, raw, error)
         SELECT tributary.uuid_v7(), l.*
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS l(room_id, event_id, raw, error)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.redactions d
                           WHERE d.room_id = l.room_id AND d.redacts = l.event_id)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(letters.iter().map(|l| &l.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(letters.iter().map(|l| &l.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(letters.iter().map(|l| &l.raw).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(letters.iter().map(|l| l.error).collect::<Vec<_>>())
    .execute(conn)
    .await
}

/// Removes those of these events; the room and the id of each stand at one index.
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

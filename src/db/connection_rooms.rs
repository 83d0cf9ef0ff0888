//! The rooms of a connection, and the backfills that fill them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, jobs};

#[derive(QueryableByName)]
struct Room {
    #[diesel(sql_type = Text)]
    room_id: String,
}

fn ids_of(rows: Vec<Room>) -> Vec<String> {
    rows.into_iter().map(|row| row.room_id).collect()
}

/// The rooms in which connections have, or had, a grant, and all others of their
/// conversations.
///
/// # Errors
///
/// When the statement fails.
pub async fn of_connections(conn: &mut Connection, ids: &[Uuid]) -> QueryResult<Vec<String>> {
    sql_query(
        "SELECT g.room_id FROM tributary.room_grants g WHERE g.connection_id = ANY($1)
         UNION
         SELECT r.room_id FROM tributary.room_grants g
         JOIN tributary.rooms r ON r.conversation_id = g.conversation_id
         WHERE g.connection_id = ANY($1)
         ORDER BY room_id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await
    .map(ids_of)
}

/// A room and all others of its conversation.
///
/// # Errors
///
/// When the statement fails.
pub async fn beside(conn: &mut Connection, room_id: &str) -> QueryResult<Vec<String>> {
    sql_query(
        "SELECT room_id FROM tributary.rooms
         WHERE room_id = $1
            OR conversation_id = (SELECT conversation_id FROM tributary.rooms WHERE room_id = $1)
         ORDER BY room_id",
    )
    .bind::<Text, _>(room_id)
    .load(conn)
    .await
    .map(ids_of)
}

/// Those of these rooms whose history the operator lets come in by itself, those
/// with the latest activity first.
///
/// # Errors
///
/// When the statement fails.
pub async fn to_fill(conn: &mut Connection, room_ids: &[String]) -> QueryResult<Vec<String>> {
    sql_query(
        "SELECT room_id FROM tributary.rooms
         WHERE room_id = ANY($1) AND enabled AND backfill AND conversation_id IS NOT NULL
         ORDER BY last_event_at DESC NULLS LAST, room_id",
    )
    .bind::<Array<Text>, _>(room_ids)
    .load(conn)
    .await
    .map(ids_of)
}

/// When the first of those who see a room now was linked; none when nobody does, or the
/// room is switched off.
///
/// # Errors
///
/// When the statement fails.
pub async fn seen_by_links_since(
    mut conn: &Connection,
    room_id: &str,
) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Since {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        linked_at: Option<DateTime<Utc>>,
    }
    let row: Since = sql_query(
        "SELECT min(c.linked_at) AS linked_at
         FROM tributary.room_grants g
         JOIN tributary.messenger_connections c ON c.id = g.connection_id
         JOIN tributary.rooms r ON r.room_id = g.room_id AND r.enabled
         WHERE g.room_id = $1 AND g.until_at IS NULL",
    )
    .bind::<Text, _>(room_id)
    .get_result(&mut conn)
    .await?;
    Ok(row.linked_at)
}

/// Calls off the backfills of those of these rooms that nobody sees any more.
///
/// # Errors
///
/// When a statement fails.
pub async fn cancel_backfills(conn: &mut Connection, room_ids: &[String]) -> QueryResult<()> {
    let unseen = sql_query(
        "SELECT r.room_id FROM unnest($1::text[]) AS r(room_id)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                           WHERE g.room_id = r.room_id AND g.until_at IS NULL)",
    )
    .bind::<Array<Text>, _>(room_ids)
    .load(conn)
    .await
    .map(ids_of)?;
    jobs::call_off(conn, &["backfill"], &unseen, "disconnected").await?;
    Ok(())
}

//! Receipts: how far each person has read in each room.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::{Connection, statement::Keep as _};
use crate::model::ephemeral::Receipt;

/// A receipt that moved somebody forward.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Moved {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// Who has read.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// Up to which event.
    #[diesel(sql_type = Text)]
    pub event_id: String,
}

/// Keeps the newest receipt of each person and room; returns those that were newer.
///
/// # Errors
///
/// When the statement fails.
pub async fn upsert(conn: &mut Connection, receipts: &[Receipt]) -> QueryResult<Vec<Moved>> {
    sql_query(
        "INSERT INTO tributary.receipts AS r (room_id, user_id, event_id, receipt_ts)
         SELECT DISTINCT ON (1, 2) *
         FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS n(room_id, user_id, event_id, ts)
         ORDER BY 1, 2, ts DESC, event_id COLLATE \"C\" DESC
         ON CONFLICT (room_id, user_id) DO UPDATE
         SET event_id = excluded.event_id, receipt_ts = excluded.receipt_ts
         WHERE (excluded.receipt_ts, excluded.event_id COLLATE \"C\") > (r.receipt_ts, r.event_id COLLATE \"C\")
         RETURNING room_id, user_id, event_id",
    )
    .bind::<Array<Text>, _>(receipts.iter().map(|r| &r.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(receipts.iter().map(|r| &r.user_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(receipts.iter().map(|r| &r.event_id).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(receipts.iter().map(|r| r.ts).collect::<Vec<_>>())
    .kept()
    .load(conn)
    .await
}

/// Whose newest receipts point to these events.
///
/// # Errors
///
/// When the statement fails.
pub async fn of_events(
    mut conn: &Connection,
    rooms: &[&str],
    events: &[&str],
) -> QueryResult<Vec<Moved>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    sql_query(
        "SELECT r.room_id, r.user_id, r.event_id
         FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)
         JOIN tributary.receipts r ON r.room_id = t.room_id AND r.event_id = t.event_id",
    )
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

/// A known event, and the time at which the conversation shows it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Shown {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// The event.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// The time.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}

/// Where events of any kind stand in their conversations: people read up to
/// reactions and renames as well.
///
/// # Errors
///
/// When the statement fails.
pub async fn places(
    conn: &mut Connection,
    rooms: &[&str],
    events: &[&str],
) -> QueryResult<Vec<Shown>> {
    let of = |table: &str, at: &str| {
        format!(
            "SELECT e.room_id, e.event_id, {at} AS at FROM targets t
             JOIN tributary.{table} e ON e.room_id = t.room_id AND e.event_id = t.event_id"
        )
    };
    let all = [
        of("messages", "e.timestamp"),
        of("message_versions", "e.timestamp"),
        of("reactions", "e.timestamp"),
        of("redactions", "e.timestamp"),
        // As `model::incoming::shown_time`: no other time than those is one everywhere.
        of(
            "state_events",
            "CASE WHEN e.origin_server_ts BETWEEN 0 AND 7258118399999
                  THEN to_timestamp(e.origin_server_ts / 1000.0) ELSE e.received_at END",
        ),
    ];
    sql_query(format!(
        "WITH targets AS (SELECT * FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id))
         {}",
        all.join(" UNION ALL ")
    ))
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(conn)
    .await
}

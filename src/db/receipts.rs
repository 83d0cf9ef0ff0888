//! Receipts: how far each person has read in each room.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Text},
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

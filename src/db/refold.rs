//! Rooms that an older fold has filled, and how far back it had gone.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Integer, Text},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// A room to walk again.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Outdated {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// The most days that were asked for; 0 when that is not known any more.
    #[diesel(sql_type = BigInt)]
    pub days: i64,
    /// The most messages that were asked for; 0 when that is not known any more.
    #[diesel(sql_type = BigInt)]
    pub max_messages: i64,
}

/// Ingested rooms that a fold before `version` has filled. One that is being filled
/// is none, since its walk begins again by itself; nor is one that is filled only when
/// an operator asks.
///
/// # Errors
///
/// When the statement fails.
pub async fn outdated(mut conn: &Connection, version: i32) -> QueryResult<Vec<Outdated>> {
    sql_query(
        "SELECT r.room_id,
                coalesce(max((j.payload ->> 'days')::bigint), 0) AS days,
                coalesce(max((j.payload ->> 'maxMessages')::bigint), 0) AS max_messages
         FROM tributary.rooms r
         LEFT JOIN tributary.jobs j ON j.kind = 'backfill' AND j.key = r.room_id
         WHERE r.fold_version BETWEEN 1 AND $1 - 1 AND r.enabled AND r.backfill
           AND EXISTS (SELECT 1 FROM tributary.room_grants g
                       WHERE g.room_id = r.room_id AND g.until_at IS NULL)
         GROUP BY r.room_id ORDER BY max(r.last_event_at) DESC NULLS LAST, r.room_id",
    )
    .bind::<Integer, _>(version)
    .load(&mut conn)
    .await
}

//! Which rooms' newest history has to be compared with what is stored, and from when on.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Ingested rooms that had events since they were last reconciled, quiet ones
/// first, at most `limit`: those that were not reconciled since `since`, nor
/// within the last `pause` seconds unless that was before `since`.
///
/// # Errors
///
/// When the statement fails.
pub async fn due(
    mut conn: &Connection,
    since: DateTime<Utc>,
    pause: i64,
    limit: i64,
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        room_id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT r.room_id FROM tributary.rooms r
         WHERE r.enabled AND r.backfill AND r.last_event_at IS NOT NULL
           AND (r.reconciled_at IS NULL OR r.reconciled_at < r.last_event_at)
           AND (r.reconciled_at IS NULL OR r.reconciled_at < $1
                OR r.reconciled_at < now() - make_interval(secs => $2::double precision))
           AND EXISTS (SELECT 1 FROM tributary.room_grants g
                       WHERE g.room_id = r.room_id AND g.until_at IS NULL)
         ORDER BY r.last_event_at LIMIT $3",
    )
    .bind::<Timestamptz, _>(since)
    .bind::<BigInt, _>(pause)
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.room_id).collect())
}

/// From which receipt on a room's history has to be compared: since it was last, or
/// since it was first mapped. What is older is for backfill and its limits. None
/// for a room that nobody sees.
///
/// # Errors
///
/// When the statement fails.
pub async fn bound(mut conn: &Connection, room_id: &str) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Bound {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let row: Option<Bound> = sql_query(
        "SELECT greatest(r.reconciled_at - interval '1 minute', min(g.created_at)) AS at
         FROM tributary.rooms r JOIN tributary.room_grants g ON g.room_id = r.room_id
         WHERE r.room_id = $1 GROUP BY r.room_id",
    )
    .bind::<Text, _>(room_id)
    .get_result(&mut conn)
    .await
    .optional()?;
    Ok(row.and_then(|row| row.at))
}

/// Remembers up to when a room's newest history has been compared.
///
/// # Errors
///
/// When the statement fails.
pub async fn mark(mut conn: &Connection, room_id: &str, at: DateTime<Utc>) -> QueryResult<()> {
    sql_query("UPDATE tributary.rooms SET reconciled_at = $2 WHERE room_id = $1")
        .bind::<Text, _>(room_id)
        .bind::<Timestamptz, _>(at)
        .execute(&mut conn)
        .await?;
    Ok(())
}

//! Which rooms' newest history has to be compared with what is stored, and from when on.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Ingested rooms that are to be compared, at most `limit`, those first that were not
/// for the longest time: those that were not since `since`, those that had events since
/// they last were, unless that is less than `pause` seconds ago, and every one once a
/// day. None for which a job is there.
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
         WHERE r.enabled AND r.backfill
           AND (r.reconciled_at IS NULL OR r.reconciled_at < $1
                OR r.reconciled_at < r.last_event_at
                   AND r.reconciled_at < now() - make_interval(secs => $2::double precision)
                OR r.reconciled_at < now() - interval '1 day')
           -- Another replica looks as well: what is asked for while it runs goes once more.
           AND NOT EXISTS (SELECT 1 FROM tributary.jobs j
                           WHERE j.kind = 'reconcile' AND j.key = r.room_id
                             AND j.state IN ('queued', 'running', 'waiting'))
           AND EXISTS (SELECT 1 FROM tributary.room_grants g
                       WHERE g.room_id = r.room_id AND g.until_at IS NULL)
         ORDER BY r.reconciled_at NULLS FIRST, r.room_id LIMIT $3",
    )
    .bind::<Timestamptz, _>(since)
    .bind::<BigInt, _>(pause)
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.room_id).collect())
}

/// From where a room's history has to be compared.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Position {
    /// Since when somebody sees the room: what was received before is for backfill and
    /// its limits.
    #[diesel(sql_type = Timestamptz)]
    pub seen_since: DateTime<Utc>,
    /// Up to when it has been compared.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub compared_at: Option<DateTime<Utc>>,
    /// Where the newest page began then.
    #[diesel(sql_type = Nullable<Text>)]
    pub token: Option<String>,
}

/// None for a room that nobody sees now, or that is not to be kept.
///
/// # Errors
///
/// When the statement fails.
pub async fn position(mut conn: &Connection, room_id: &str) -> QueryResult<Option<Position>> {
    sql_query(
        "SELECT min(g.created_at) AS seen_since, r.reconciled_at AS compared_at, r.reconcile_token AS token
         FROM tributary.rooms r JOIN tributary.room_grants g ON g.room_id = r.room_id
         WHERE r.room_id = $1 AND r.enabled AND g.until_at IS NULL GROUP BY r.room_id",
    )
    .bind::<Text, _>(room_id)
    .get_result(&mut conn)
    .await
    .optional()
}

/// In the payload of the job `reconcile`: what was received before this time is not looked for.
pub const SINCE: &str = "since";

/// Ingested rooms that nothing compares by itself, since their history is not to come in.
///
/// # Errors
///
/// When the statement fails.
pub async fn unfilled(mut conn: &Connection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        room_id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT r.room_id FROM tributary.rooms r
         WHERE r.enabled AND NOT r.backfill AND r.conversation_id IS NOT NULL
           AND EXISTS (SELECT 1 FROM tributary.room_grants g
                       WHERE g.room_id = r.room_id AND g.until_at IS NULL)
         ORDER BY r.room_id",
    )
    .load(&mut conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.room_id).collect())
}

/// Remembers where the newest page of a room begins, so that the next comparison
/// begins there.
///
/// # Errors
///
/// When the statement fails.
pub async fn note(mut conn: &Connection, room_id: &str, token: &str) -> QueryResult<()> {
    sql_query("UPDATE tributary.rooms SET reconcile_token = $2 WHERE room_id = $1")
        .bind::<Text, _>(room_id)
        .bind::<Text, _>(token)
        .execute(&mut conn)
        .await?;
    Ok(())
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

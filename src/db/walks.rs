//! How far back the history of a room has come in.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Everything between the newest event and `token` has been read, as far as it was
/// asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct Walk {
    /// The version of the fold that has stored it.
    #[diesel(sql_type = Integer)]
    pub fold_version: i32,
    /// Where the next page begins; none for the newest event.
    #[diesel(sql_type = Nullable<Text>)]
    pub token: Option<String>,
    /// Messages that were read up to there.
    #[diesel(sql_type = BigInt)]
    pub token_messages: i64,
    /// Messages that were read in all: behind the token not all were asked for.
    #[diesel(sql_type = BigInt)]
    pub messages: i64,
    /// The shown time of the oldest one.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest_at: Option<DateTime<Utc>>,
    /// A whole page was older than this.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub cut_at: Option<DateTime<Utc>>,
    /// Whether the room's beginning was reached.
    #[diesel(sql_type = Bool)]
    pub is_whole: bool,
}

/// How far a room has been walked; none when somebody has gained access since.
///
/// # Errors
///
/// When the statement fails.
pub async fn get(mut conn: &Connection, room_id: &str) -> QueryResult<Option<Walk>> {
    sql_query(
        "SELECT fold_version, token, token_messages, messages, oldest_at, cut_at, is_whole
         FROM tributary.walks WHERE room_id = $1",
    )
    .bind::<Text, _>(room_id)
    .get_result(&mut conn)
    .await
    .optional()
}

/// Begins a walk at the newest event, whatever was known of one before.
///
/// # Errors
///
/// When the statement fails.
pub async fn begin(mut conn: &Connection, room_id: &str, fold_version: i32) -> QueryResult<()> {
    sql_query(
        "INSERT INTO tributary.walks AS w (room_id, fold_version) VALUES ($1, $2)
         ON CONFLICT (room_id) DO UPDATE
         SET fold_version = excluded.fold_version, token = NULL, token_messages = 0, messages = 0,
             oldest_at = NULL, cut_at = NULL, is_whole = false",
    )
    .bind::<Text, _>(room_id)
    .bind::<Integer, _>(fold_version)
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// Notes how far a walk is. False when it was forgotten meanwhile.
///
/// # Errors
///
/// When the statement fails.
pub async fn note(mut conn: &Connection, room_id: &str, walk: &Walk) -> QueryResult<bool> {
    let rows = sql_query(
        "UPDATE tributary.walks
         SET token = $3, token_messages = $4, messages = $5, oldest_at = $6, cut_at = $7, is_whole = $8
         WHERE room_id = $1 AND fold_version = $2",
    )
    .bind::<Text, _>(room_id)
    .bind::<Integer, _>(walk.fold_version)
    .bind::<Nullable<Text>, _>(walk.token.as_ref())
    .bind::<BigInt, _>(walk.token_messages)
    .bind::<BigInt, _>(walk.messages)
    .bind::<Nullable<Timestamptz>, _>(walk.oldest_at)
    .bind::<Nullable<Timestamptz>, _>(walk.cut_at)
    .bind::<Bool, _>(walk.is_whole)
    .execute(&mut conn)
    .await?;
    Ok(rows == 1)
}

/// Forgets the walks of these rooms: the next one begins at the newest event.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget(mut conn: &Connection, room_ids: &[String]) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.walks WHERE room_id = ANY($1)")
        .bind::<Array<Text>, _>(room_ids)
        .execute(&mut conn)
        .await?;
    Ok(())
}

//! `tributary.link_attempts`: wrong link codes, counted for all replicas.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// The wrong tries of a Clerk user in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Attempts {
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    /// The first of them.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub first: Option<DateTime<Utc>>,
}

/// The wrong tries of a Clerk user after `since`.
///
/// # Errors
///
/// When the statement fails.
pub async fn after(
    conn: &mut Connection,
    user_id: &str,
    since: DateTime<Utc>,
) -> QueryResult<Attempts> {
    sql_query(
        "SELECT count(*) AS count, min(attempted_at) AS first FROM tributary.link_attempts
         WHERE user_id = $1 AND attempted_at > $2",
    )
    .bind::<Text, _>(user_id)
    .bind::<Timestamptz, _>(since)
    .get_result(conn)
    .await
}

/// Counts a wrong try, and forgets those up to `since`.
///
/// # Errors
///
/// When a statement fails.
pub async fn record(
    conn: &mut Connection,
    user_id: &str,
    at: DateTime<Utc>,
    since: DateTime<Utc>,
) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.link_attempts WHERE user_id = $1 AND attempted_at <= $2")
        .bind::<Text, _>(user_id)
        .bind::<Timestamptz, _>(since)
        .execute(conn)
        .await?;
    sql_query("INSERT INTO tributary.link_attempts (user_id, attempted_at) VALUES ($1, $2)")
        .bind::<Text, _>(user_id)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

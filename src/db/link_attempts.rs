//! `tributary.link_attempts`: wrong link codes, counted for all replicas.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// The wrong tries of a Clerk user in some time, and those from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Attempts {
    /// How many of the user.
    #[diesel(sql_type = BigInt)]
    pub of_user: i64,
    /// The first of them.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub first_of_user: Option<DateTime<Utc>>,
    /// How many from the address, whoever they are of.
    #[diesel(sql_type = BigInt)]
    pub of_address: i64,
    /// The first of them.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub first_of_address: Option<DateTime<Utc>>,
}

/// The wrong tries of a Clerk user, and from an address, after `since`.
///
/// # Errors
///
/// When the statement fails.
pub async fn after(
    conn: &mut Connection,
    user_id: &str,
    address: Option<&str>,
    since: DateTime<Utc>,
) -> QueryResult<Attempts> {
    sql_query(
        "SELECT count(*) FILTER (WHERE user_id = $1) AS of_user,
                min(attempted_at) FILTER (WHERE user_id = $1) AS first_of_user,
                count(*) FILTER (WHERE address = $2) AS of_address,
                min(attempted_at) FILTER (WHERE address = $2) AS first_of_address
         FROM tributary.link_attempts
         WHERE (user_id = $1 OR address = $2) AND attempted_at > $3",
    )
    .bind::<Text, _>(user_id)
    .bind::<Nullable<Text>, _>(address)
    .bind::<Timestamptz, _>(since)
    .get_result(conn)
    .await
}

#[derive(QueryableByName)]
struct Recorded {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Counts a try as a wrong one, and forgets those up to `since`, whoever they are of.
/// The id is for [`forget`], if it turns out right.
///
/// # Errors
///
/// When a statement fails.
pub async fn record(
    conn: &mut Connection,
    user_id: &str,
    address: Option<&str>,
    at: DateTime<Utc>,
    since: DateTime<Utc>,
) -> QueryResult<i64> {
    // Skipping what somebody else is deleting: two that delete never wait for each other.
    sql_query(
        "DELETE FROM tributary.link_attempts WHERE id IN (
             SELECT id FROM tributary.link_attempts WHERE attempted_at <= $1
             FOR UPDATE SKIP LOCKED)",
    )
    .bind::<Timestamptz, _>(since)
    .execute(conn)
    .await?;
    let recorded: Recorded = sql_query(
        "INSERT INTO tributary.link_attempts (user_id, address, attempted_at)
         VALUES ($1, $2, $3) RETURNING id",
    )
    .bind::<Text, _>(user_id)
    .bind::<Nullable<Text>, _>(address)
    .bind::<Timestamptz, _>(at)
    .get_result(conn)
    .await?;
    Ok(recorded.id)
}

/// Counts a try no longer.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget(conn: &mut Connection, id: i64) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.link_attempts WHERE id = $1")
        .bind::<BigInt, _>(id)
        .execute(conn)
        .await?;
    Ok(())
}

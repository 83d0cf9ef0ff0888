//! `tributary.report_attempts`: the companion's reports by address, counted for all replicas.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// The reports from an address in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Attempts {
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    /// The first of them.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub first: Option<DateTime<Utc>>,
}

/// The reports from an address after `since`.
///
/// # Errors
///
/// When the statement fails.
pub async fn after(
    conn: &mut Connection,
    address: &str,
    since: DateTime<Utc>,
) -> QueryResult<Attempts> {
    sql_query(
        "SELECT count(*) AS count, min(attempted_at) AS first FROM tributary.report_attempts
         WHERE address = $1 AND attempted_at > $2",
    )
    .bind::<Text, _>(address)
    .bind::<Timestamptz, _>(since)
    .get_result(conn)
    .await
}

/// Counts a report, and forgets those up to `since`, wherever they came from.
///
/// # Errors
///
/// When a statement fails.
pub async fn record(
    conn: &mut Connection,
    address: &str,
    at: DateTime<Utc>,
    since: DateTime<Utc>,
) -> QueryResult<()> {
    // Skipping what somebody else is deleting: two that delete never wait for each other.
    sql_query(
        "DELETE FROM tributary.report_attempts WHERE id IN (
             SELECT id FROM tributary.report_attempts WHERE attempted_at <= $1
             FOR UPDATE SKIP LOCKED)",
    )
    .bind::<Timestamptz, _>(since)
    .execute(conn)
    .await?;
    sql_query("INSERT INTO tributary.report_attempts (address, attempted_at) VALUES ($1, $2)")
        .bind::<Text, _>(address)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

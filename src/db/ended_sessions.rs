//! `tributary.ended_sessions`: sessions and users whose tokens count no longer. Times
//! are the database's: replicas need not agree on one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Double, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// A Clerk session or user that has ended.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Ended {
    /// `sess_...` or `user_...`.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// When that was written down.
    #[diesel(sql_type = Timestamptz)]
    pub ended_at: DateTime<Utc>,
}

/// Writes down that a session or a user has ended, and forgets those that were
/// written down longer than `kept` ago. Repeating it changes nothing.
///
/// # Errors
///
/// When a statement fails.
pub async fn insert(conn: &mut Connection, id: &str, kept: Duration) -> QueryResult<()> {
    forget(conn, kept).await?;
    sql_query("INSERT INTO tributary.ended_sessions (id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind::<Text, _>(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets those that were written down longer than `kept` ago.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget(mut conn: &Connection, kept: Duration) -> QueryResult<()> {
    sql_query(
        "DELETE FROM tributary.ended_sessions WHERE id IN (
             SELECT id FROM tributary.ended_sessions
             WHERE ended_at < clock_timestamp() - make_interval(secs => $1)
             FOR UPDATE SKIP LOCKED)",
    )
    .bind::<Double, _>(kept.as_secs_f64())
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// Those that were written down after this, or all of the last `kept`.
///
/// # Errors
///
/// When the statement fails.
pub async fn after(
    mut conn: &Connection,
    after: Option<DateTime<Utc>>,
    kept: Duration,
) -> QueryResult<Vec<Ended>> {
    sql_query(
        "SELECT id, ended_at FROM tributary.ended_sessions
         WHERE ended_at > greatest($1, clock_timestamp() - make_interval(secs => $2))",
    )
    .bind::<Nullable<Timestamptz>, _>(after)
    .bind::<Double, _>(kept.as_secs_f64())
    .load(&mut conn)
    .await
}

/// Whether this one has.
///
/// # Errors
///
/// When the statement fails.
pub async fn contains(mut conn: &Connection, id: &str) -> QueryResult<bool> {
    let found = sql_query("SELECT FROM tributary.ended_sessions WHERE id = $1")
        .bind::<Text, _>(id)
        .execute(&mut conn)
        .await?;
    Ok(found > 0)
}

//! `tributary.webhook_deliveries`: what has been delivered, so that it has one effect.

use diesel::{QueryResult, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Takes a delivery, in the transaction that its effect is in; false when it has been
/// taken before. Old ones are [forgotten](forget).
///
/// # Errors
///
/// When a statement fails.
pub async fn take(conn: &mut Connection, id: &str) -> QueryResult<bool> {
    forget(conn).await?;
    let taken = sql_query(
        "INSERT INTO tributary.webhook_deliveries (id) VALUES ($1) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(id)
    .execute(conn)
    .await?;
    Ok(taken == 1)
}

/// Forgets deliveries of more than an hour ago: nobody can repeat them, since a signature
/// is good for minutes.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget(mut conn: &Connection) -> QueryResult<()> {
    sql_query(
        "DELETE FROM tributary.webhook_deliveries WHERE id IN (
             SELECT id FROM tributary.webhook_deliveries
             WHERE received_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED)",
    )
    .execute(&mut conn)
    .await?;
    Ok(())
}

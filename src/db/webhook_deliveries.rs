//! `tributary.webhook_deliveries`: what has been delivered, so that it has one effect.

use diesel::{QueryResult, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Takes a delivery, in the transaction that its effect is in; false when it has been
/// taken before. Those of more than an hour ago are forgotten: nobody can repeat them,
/// since a signature is good for minutes.
///
/// # Errors
///
/// When a statement fails.
pub async fn take(conn: &mut Connection, id: &str) -> QueryResult<bool> {
    sql_query(
        "DELETE FROM tributary.webhook_deliveries WHERE id IN (
             SELECT id FROM tributary.webhook_deliveries
             WHERE received_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED)",
    )
    .execute(conn)
    .await?;
    let taken = sql_query(
        "INSERT INTO tributary.webhook_deliveries (id) VALUES ($1) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(id)
    .execute(conn)
    .await?;
    Ok(taken == 1)
}

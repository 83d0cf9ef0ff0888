//! `tributary.used_openid_tokens`: proofs that have been accepted, by hash.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{Binary, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Remembers a token until `expires_at`; says whether it is new. Forgets the
/// expired ones.
///
/// # Errors
///
/// When a statement fails.
pub async fn remember(
    conn: &mut Connection,
    token_hash: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<bool> {
    // Skipping what somebody else is deleting: two that delete never wait for each other.
    sql_query(
        "DELETE FROM tributary.used_openid_tokens WHERE token_hash IN (
             SELECT token_hash FROM tributary.used_openid_tokens WHERE expires_at <= $1
             FOR UPDATE SKIP LOCKED)",
    )
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    let rows = sql_query(
        "INSERT INTO tributary.used_openid_tokens (token_hash, expires_at) VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Binary, _>(token_hash)
    .bind::<Timestamptz, _>(expires_at)
    .execute(conn)
    .await?;
    Ok(rows == 1)
}

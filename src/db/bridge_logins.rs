//! `tributary.bridge_logins`: what the bridge last said of each login of a Matrix user.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::Connection;

/// A login, as the bridge last spoke of it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Login {
    /// The id on the network; empty while nobody has said it.
    #[diesel(sql_type = Text)]
    pub remote_id: String,
    /// The last state that was more than a passing one, if there was any.
    #[diesel(sql_type = Text)]
    pub state_event: String,
    /// What is wrong, in the bridge's words.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    /// When the bridge said so, by its own clock, in whole seconds.
    #[diesel(sql_type = Timestamptz)]
    pub stated_at: DateTime<Utc>,
}

/// The logins of a connection.
///
/// # Errors
///
/// When the statement fails.
pub async fn list(conn: &mut Connection, connection_id: Uuid) -> QueryResult<Vec<Login>> {
    sql_query(
        "SELECT remote_id, state_event, error, stated_at FROM tributary.bridge_logins
         WHERE connection_id = $1 ORDER BY remote_id",
    )
    .bind::<SqlUuid, _>(connection_id)
    .load(conn)
    .await
}

/// Writes a login down, in place of what was known of it. One whose id was not
/// known is taken for this one.
///
/// # Errors
///
/// When a statement fails.
pub async fn put(conn: &mut Connection, connection_id: Uuid, login: &Login) -> QueryResult<()> {
    sql_query(
        "DELETE FROM tributary.bridge_logins
         WHERE connection_id = $1 AND remote_id = '' AND $2 <> ''",
    )
    .bind::<SqlUuid, _>(connection_id)
    .bind::<Text, _>(&login.remote_id)
    .execute(conn)
    .await?;
    sql_query(
        "INSERT INTO tributary.bridge_logins (connection_id, remote_id, state_event, error, stated_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (connection_id, remote_id) DO UPDATE
         SET state_event = excluded.state_event, error = excluded.error, stated_at = excluded.stated_at",
    )
    .bind::<SqlUuid, _>(connection_id)
    .bind::<Text, _>(&login.remote_id)
    .bind::<Text, _>(&login.state_event)
    .bind::<Nullable<Text>, _>(login.error.as_ref())
    .bind::<Timestamptz, _>(login.stated_at)
    .execute(conn)
    .await?;
    Ok(())
}

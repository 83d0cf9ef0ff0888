//! Which rooms the operator means. Those with the latest activity come first.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::Connection;

/// Whose rooms; `None` is anybody's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Of<'a> {
    /// A Matrix user's.
    pub matrix_user_id: Option<&'a str>,
    /// A connection's.
    pub connection_id: Option<Uuid>,
    /// Only those whose history comes in by itself.
    pub by_itself: bool,
}

/// The rooms that are ingested, because linked connections see them.
///
/// # Errors
///
/// When the statement fails.
pub async fn rooms(conn: &mut Connection, of: Of<'_>) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        room_id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT r.room_id FROM tributary.rooms r
         WHERE r.enabled AND r.conversation_id IS NOT NULL AND (r.backfill OR NOT $3)
           AND EXISTS (SELECT 1 FROM tributary.room_grants g
                       JOIN tributary.messenger_connections c ON c.id = g.connection_id
                       WHERE g.room_id = r.room_id AND g.until_at IS NULL
                         AND ($1::text IS NULL OR c.matrix_user_id = $1)
                         AND ($2::uuid IS NULL OR c.id = $2))
         ORDER BY r.last_event_at DESC NULLS LAST, r.room_id",
    )
    .bind::<Nullable<Text>, _>(of.matrix_user_id)
    .bind::<Nullable<SqlUuid>, _>(of.connection_id)
    .bind::<diesel::sql_types::Bool, _>(of.by_itself)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.room_id).collect())
}

/// Whether there is, or was, such a connection.
///
/// # Errors
///
/// When the statement fails.
pub async fn is_known(conn: &mut Connection, of: Of<'_>) -> QueryResult<bool> {
    let found = sql_query(
        "SELECT FROM tributary.messenger_connections c
         WHERE ($1::text IS NULL OR c.matrix_user_id = $1) AND ($2::uuid IS NULL OR c.id = $2)
         LIMIT 1",
    )
    .bind::<Nullable<Text>, _>(of.matrix_user_id)
    .bind::<Nullable<SqlUuid>, _>(of.connection_id)
    .execute(conn)
    .await?;
    Ok(found > 0)
}

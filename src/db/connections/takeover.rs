//! A connection that waits for its code takes a provisional one's place.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::Connection;

/// Moves all that is known of a provisional connection into another one that waits
/// for its code, and deletes the provisional one.
///
/// # Errors
///
/// When a statement fails.
pub async fn absorb(conn: &mut Connection, id: Uuid, provisional: Uuid) -> QueryResult<()> {
    sql_query("UPDATE tributary.bridge_logins SET connection_id = $1 WHERE connection_id = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(provisional)
        .execute(conn)
        .await?;
    // The unique indexes are checked at once, so the Matrix user and the code are
    // free only after this row let go of them.
    let freed: Freed = sql_query(
        "DELETE FROM tributary.messenger_connections WHERE id = $1
         RETURNING bridge_id, matrix_user_id, bridge_user_id, remote_name, status, error,
                   link_code_hash, link_code_expires_at",
    )
    .bind::<SqlUuid, _>(provisional)
    .get_result(conn)
    .await?;
    sql_query(
        "UPDATE tributary.messenger_connections
         SET bridge_id = $2, matrix_user_id = $3, bridge_user_id = $4, remote_name = $5, status = $6,
             error = $7, link_code_hash = $8, link_code_expires_at = $9, updated_at = now()
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Nullable<Text>, _>(freed.bridge_id)
    .bind::<Nullable<Text>, _>(freed.matrix_user_id)
    .bind::<Nullable<Text>, _>(freed.bridge_user_id)
    .bind::<Nullable<Text>, _>(freed.remote_name)
    .bind::<Text, _>(freed.status)
    .bind::<Nullable<Text>, _>(freed.error)
    .bind::<Nullable<Binary>, _>(freed.link_code_hash)
    .bind::<Nullable<Timestamptz>, _>(freed.link_code_expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Freed {
    #[diesel(sql_type = Nullable<Text>)]
    bridge_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    matrix_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    remote_name: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    link_code_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    link_code_expires_at: Option<DateTime<Utc>>,
}

//! Who is in a room that is not ingested: ids and memberships, nothing else.

use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, Text},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Replaces what is known of a room's members.
///
/// # Errors
///
/// When a statement fails.
pub async fn replace(
    conn: &mut Connection,
    room_id: &str,
    members: &[(String, String)],
) -> QueryResult<()> {
    let (users, memberships): (Vec<_>, Vec<_>) = members.iter().cloned().unzip();
    sql_query("DELETE FROM tributary.room_members WHERE room_id = $1 AND user_id <> ALL($2)")
        .bind::<Text, _>(room_id)
        .bind::<Array<Text>, _>(&users)
        .execute(conn)
        .await?;
    sql_query(
        "INSERT INTO tributary.room_members (room_id, user_id, membership)
         SELECT DISTINCT ON (user_id) $1, user_id, membership
         FROM unnest($2::text[], $3::text[]) AS m(user_id, membership)
         ON CONFLICT (room_id, user_id) DO UPDATE SET membership = excluded.membership",
    )
    .bind::<Text, _>(room_id)
    .bind::<Array<Text>, _>(&users)
    .bind::<Array<Text>, _>(&memberships)
    .execute(conn)
    .await?;
    Ok(())
}

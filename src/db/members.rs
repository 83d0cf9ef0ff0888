//! Who is in a room that is not ingested: ids and memberships, nothing else.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Text},
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

/// How many member events of a room are known: each one more may say something
/// else of who is in it.
///
/// # Errors
///
/// When the statement fails.
pub async fn events(conn: &mut Connection, room_id: &str) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let row: Count = sql_query(
        "SELECT count(*) FROM tributary.state_events
         WHERE room_id = $1 AND type = 'm.room.member'",
    )
    .bind::<Text, _>(room_id)
    .get_result(conn)
    .await?;
    Ok(row.count)
}

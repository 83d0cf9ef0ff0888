//! The beginning of an erasure: what makes things visible goes first, and with it what
//! is the user's alone and no more than rows by the room.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::{Connection, former, viewers::View};

/// Conversations that a user saw through connections which they see through no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Those that are gone for the user.
    pub removed: Vec<Uuid>,
    /// Those that the user still sees through another connection.
    pub kept: Vec<Uuid>,
    /// The pictures that were shown of those that are gone since the user had left them.
    pub pictures: Vec<Uuid>,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

fn ids(rows: Vec<Id>) -> Vec<Uuid> {
    rows.into_iter().map(|row| row.id).collect()
}

/// Takes the grants of a user's connections, and their own rows of the conversations in
/// which they have none left. The caller holds the locks of the rooms.
///
/// # Errors
///
/// When a statement fails.
pub async fn take(
    conn: &mut Connection,
    user_id: &str,
    connection_ids: &[Uuid],
) -> QueryResult<Taken> {
    let seen = sql_query(
        "WITH released AS (DELETE FROM tributary.room_grants WHERE connection_id = ANY($1)
                           RETURNING conversation_id)
         SELECT DISTINCT conversation_id AS id FROM released ORDER BY id",
    )
    .bind::<Array<SqlUuid>, _>(connection_ids)
    .load(conn)
    .await
    .map(ids)?;
    let removed = sql_query(
        "SELECT seen.id FROM unnest($2::uuid[]) AS seen(id)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                           WHERE g.user_id = $1 AND g.conversation_id = seen.id)
         ORDER BY seen.id",
    )
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(&seen)
    .load(conn)
    .await
    .map(ids)?;
    let view = |&conversation_id| View {
        user_id: user_id.to_owned(),
        conversation_id,
    };
    let views: Vec<_> = removed.iter().map(view).collect();
    let pictures = former::forget(conn, &views).await?;
    sql_query(
        "DELETE FROM tributary.conversation_access
         WHERE user_id = $1 AND conversation_id = ANY($2)",
    )
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(&removed)
    .execute(conn)
    .await?;
    let kept = seen.into_iter().filter(|id| !removed.contains(id));
    Ok(Taken {
        kept: kept.collect(),
        removed,
        pictures,
    })
}

/// A private receipt is its owner's, so theirs go from rooms that others hold as well.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget_receipts(
    conn: &mut Connection,
    room_ids: &[String],
    matrix_user_ids: &[&str],
) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.receipts WHERE room_id = ANY($1) AND user_id = ANY($2)")
        .bind::<Array<Text>, _>(room_ids)
        .bind::<Array<Text>, _>(matrix_user_ids)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what the bridge and the companion said of the person; the connection itself
/// stays, so that a repetition finds it.
///
/// # Errors
///
/// When a statement fails.
pub async fn forget_remote(conn: &mut Connection, connection_ids: &[Uuid]) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.bridge_logins WHERE connection_id = ANY($1)")
        .bind::<Array<SqlUuid>, _>(connection_ids)
        .execute(conn)
        .await?;
    sql_query(
        "UPDATE tributary.messenger_connections
         SET bridge_user_id = NULL, remote_name = NULL, error = NULL, last_sync_at = NULL,
             updated_at = now()
         WHERE id = ANY($1)",
    )
    .bind::<Array<SqlUuid>, _>(connection_ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a Clerk user, whose grants are taken: their connections, with what the bridge
/// said of them, their wrong codes, the rest of their own rows, and whose work it was
/// that has been done (what ends later forgets that by itself).
///
/// # Errors
///
/// When a statement fails.
pub async fn forget_user(conn: &mut Connection, user_id: &str) -> QueryResult<()> {
    for statement in [
        "DELETE FROM tributary.messenger_connections WHERE user_id = $1",
        "DELETE FROM tributary.conversation_access WHERE user_id = $1",
        "DELETE FROM tributary.link_attempts WHERE user_id = $1",
        "UPDATE tributary.jobs SET share = ''
         WHERE share = $1 AND state IN ('done', 'failed', 'cancelled')",
    ] {
        sql_query(statement)
            .bind::<Text, _>(user_id)
            .execute(conn)
            .await?;
    }
    Ok(())
}

//! Purging: what only one connection could see goes, in Postgres's own order of
//! references. The outbox keeps its ids: they lead nowhere afterwards.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, media, messages, versions::Lost};

/// What a purge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// Conversations that are gone for the user.
    pub removed: Vec<Uuid>,
    /// Conversations that the user still sees through another connection.
    pub kept: Vec<Uuid>,
    /// How many messages went.
    pub messages: usize,
}

/// May anybody still see what was received in `room` at `at`? `{t}` is the table.
macro_rules! held {
    ($table:literal, $at:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM tributary.room_grants g WHERE g.room_id = ",
            $table,
            ".room_id AND (g.from_at IS NULL OR ",
            $table,
            ".",
            $at,
            " >= g.from_at) AND (g.until_at IS NULL OR ",
            $table,
            ".",
            $at,
            " <= g.until_at))"
        )
    };
}

/// Deletes what no other connection holds of what this one saw: its grants, the
/// conversations and messages without any other, and all that hangs on them. The
/// caller holds the locks of `room_ids`, all rooms of those conversations.
///
/// # Errors
///
/// When a statement fails.
pub async fn connection(
    conn: &mut Connection,
    connection_id: Uuid,
    user_id: &str,
    matrix_user_id: Option<&str>,
    room_ids: &[String],
) -> QueryResult<Purged> {
    let conversations = release(conn, connection_id).await?;
    let pictures = media_of(conn, &conversations, room_ids).await?;
    let messages = delete_unheld_messages(conn, &conversations, room_ids).await?;
    clear_unheld_rooms(conn, room_ids, matrix_user_id).await?;
    let removed = remove_access(conn, user_id, &conversations).await?;
    delete_unheld_conversations(conn, &conversations).await?;
    media::forget_unused(conn, &pictures).await?;
    forget_remote(conn, connection_id).await?;
    let kept = conversations
        .into_iter()
        .filter(|id| !removed.contains(id))
        .collect();
    Ok(Purged {
        removed,
        kept,
        messages,
    })
}

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

fn ids(rows: Vec<Id>) -> Vec<Uuid> {
    rows.into_iter().map(|row| row.id).collect()
}

/// Deletes the grants of a connection; returns the conversations they were for.
async fn release(conn: &mut Connection, connection_id: Uuid) -> QueryResult<Vec<Uuid>> {
    sql_query(
        "WITH released AS (DELETE FROM tributary.room_grants WHERE connection_id = $1
                           RETURNING conversation_id)
         SELECT DISTINCT conversation_id AS id FROM released ORDER BY id",
    )
    .bind::<SqlUuid, _>(connection_id)
    .load(conn)
    .await
    .map(ids)
}

async fn media_of(
    conn: &mut Connection,
    conversations: &[Uuid],
    room_ids: &[String],
) -> QueryResult<Vec<Uuid>> {
    sql_query(
        "SELECT avatar_media_id AS id FROM tributary.conversations
         WHERE id = ANY($1) AND avatar_media_id IS NOT NULL
         UNION
         SELECT avatar_media_id FROM tributary.participants
         WHERE conversation_id = ANY($1) AND avatar_media_id IS NOT NULL
         UNION
         SELECT media_id FROM tributary.attachments WHERE room_id = ANY($2)",
    )
    .bind::<Array<SqlUuid>, _>(conversations)
    .bind::<Array<Text>, _>(room_ids)
    .load(conn)
    .await
    .map(ids)
}

async fn delete_unheld_messages(
    conn: &mut Connection,
    conversations: &[Uuid],
    room_ids: &[String],
) -> QueryResult<usize> {
    // A dead letter has no readable receipt time: when it came must do.
    sql_query(concat!(
        "DELETE FROM tributary.dead_letters l WHERE l.room_id = ANY($1) AND NOT ",
        held!("l", "created_at")
    ))
    .bind::<Array<Text>, _>(room_ids)
    .execute(conn)
    .await?;
    let gone: Gone = sql_query(concat!(
        "WITH gone AS (
             DELETE FROM tributary.messages m WHERE m.conversation_id = ANY($1) AND NOT ",
        held!("m", "received_at"),
        " RETURNING m.room_id, m.event_id
         ), versions AS (
             DELETE FROM tributary.message_versions t USING gone g
             WHERE t.room_id = g.room_id AND t.target_event_id = g.event_id
         ), reactions AS (
             DELETE FROM tributary.reactions t USING gone g
             WHERE t.room_id = g.room_id AND t.target_event_id = g.event_id
         )
         SELECT count(*) AS count FROM gone"
    ))
    .bind::<Array<SqlUuid>, _>(conversations)
    .get_result(conn)
    .await?;
    delete_unheld_relations(conn, room_ids).await?;
    Ok(usize::try_from(gone.count).unwrap_or(0))
}

/// An edit or a reaction that came when whoever is left had left the room goes as
/// well, and what their messages show with it.
async fn delete_unheld_relations(conn: &mut Connection, room_ids: &[String]) -> QueryResult<()> {
    let lost: Vec<Lost> = sql_query(concat!(
        "WITH versions AS (
             DELETE FROM tributary.message_versions t WHERE t.room_id = ANY($1) AND NOT ",
        held!("t", "received_at"),
        " RETURNING t.room_id, t.target_event_id
         ), reactions AS (
             DELETE FROM tributary.reactions t WHERE t.room_id = ANY($1) AND NOT ",
        held!("t", "received_at"),
        " RETURNING t.room_id, t.target_event_id
         )
         SELECT * FROM versions UNION SELECT * FROM reactions"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .load(conn)
    .await?;
    let (rooms, events): (Vec<_>, Vec<_>) = lost
        .into_iter()
        .map(|lost| (lost.room_id, lost.target_event_id))
        .unzip();
    if !rooms.is_empty() {
        messages::derive(conn, &rooms, &events).await?;
    }
    sql_query(
        "DELETE FROM tributary.attachments t WHERE t.room_id = ANY($1)
         AND NOT EXISTS (SELECT 1 FROM tributary.messages m
                         WHERE m.room_id = t.room_id AND m.event_id = t.event_id)
         AND NOT EXISTS (SELECT 1 FROM tributary.message_versions v
                         WHERE v.room_id = t.room_id AND v.event_id = t.event_id)",
    )
    .bind::<Array<Text>, _>(room_ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Of rooms that nobody holds only what mapping needs stays. A private receipt is
/// its owner's, so theirs go from the shared rooms as well.
async fn clear_unheld_rooms(
    conn: &mut Connection,
    room_ids: &[String],
    matrix_user_id: Option<&str>,
) -> QueryResult<()> {
    const UNHELD: &str = "room_id = ANY($1) AND NOT EXISTS (
        SELECT 1 FROM tributary.room_grants g WHERE g.room_id = t.room_id)";
    for table in ["state_events", "redactions"] {
        sql_query(format!("DELETE FROM tributary.{table} t WHERE {UNHELD}"))
            .bind::<Array<Text>, _>(room_ids)
            .execute(conn)
            .await?;
    }
    sql_query(format!(
        "DELETE FROM tributary.receipts t WHERE {UNHELD} OR room_id = ANY($1) AND user_id = $2"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .bind::<Nullable<Text>, _>(matrix_user_id)
    .execute(conn)
    .await?;
    // Whoever links later has it filled again.
    sql_query(format!(
        "UPDATE tributary.rooms t SET fold_version = 0, last_event_at = NULL WHERE {UNHELD}"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the user's own rows of conversations in which they have no grant left;
/// returns those conversations.
async fn remove_access(
    conn: &mut Connection,
    user_id: &str,
    conversations: &[Uuid],
) -> QueryResult<Vec<Uuid>> {
    let removed = sql_query(
        "SELECT seen.id FROM unnest($2::uuid[]) AS seen(id)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                           WHERE g.user_id = $1 AND g.conversation_id = seen.id)
         ORDER BY seen.id",
    )
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(conversations)
    .load(conn)
    .await
    .map(ids)?;
    sql_query(
        "DELETE FROM tributary.conversation_access WHERE user_id = $1 AND conversation_id = ANY($2)",
    )
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(&removed)
    .execute(conn)
    .await?;
    Ok(removed)
}

async fn delete_unheld_conversations(
    conn: &mut Connection,
    conversations: &[Uuid],
) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM tributary.conversations c WHERE c.id = ANY($1) AND NOT EXISTS (
             SELECT 1 FROM tributary.room_grants g WHERE g.conversation_id = c.id)",
    )
    .bind::<Array<SqlUuid>, _>(conversations)
    .execute(conn)
    .await
}

/// What the bridge and the companion said of the person goes as well; the row
/// itself stays, so that a repetition finds it.
async fn forget_remote(conn: &mut Connection, connection_id: Uuid) -> QueryResult<()> {
    sql_query("DELETE FROM tributary.bridge_logins WHERE connection_id = $1")
        .bind::<SqlUuid, _>(connection_id)
        .execute(conn)
        .await?;
    sql_query(
        "UPDATE tributary.messenger_connections
         SET bridge_user_id = NULL, remote_name = NULL, error = NULL, last_sync_at = NULL,
             updated_at = now()
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(connection_id)
    .execute(conn)
    .await?;
    Ok(())
}

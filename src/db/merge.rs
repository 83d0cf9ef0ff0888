//! Two conversations become one: their rows move to the one that stays. What is
//! keyed by room and event (state, receipts, redactions) has no need to.
//!
//! The number of statements does not depend on how much they hold. Access is by
//! grant and room before and after, so nobody sees more than they did.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, messages, viewers::View};

/// What has become part of another conversation.
#[derive(Debug, Default)]
pub struct Merged {
    /// The viewers of the conversations that are gone.
    pub removed: Vec<View>,
    /// What those showed: to be forgotten when all is derived again.
    pub pictures: Vec<Uuid>,
}

/// Moves everything of the conversations `gone` to `stays`. The caller holds the locks of
/// all their rooms, and derives again what follows from rooms and messages: the room that
/// leads, names, memberships, titles, unread counts.
///
/// # Errors
///
/// When a statement fails.
pub async fn merge(conn: &mut Connection, stays: Uuid, gone: &[Uuid]) -> QueryResult<Merged> {
    let lost = viewers_of(conn, gone).await?;
    move_participants(conn, stays, gone).await?;
    move_messages(conn, stays, gone).await?;
    name_reactors(conn, stays).await?;
    move_rooms(conn, stays, gone).await?;
    move_access(conn, stays, gone).await?;
    move_frames(conn, stays, &lost).await?;
    let pictures = pictures(conn, gone).await?;
    sql_query("DELETE FROM tributary.conversations WHERE id = ANY($1)")
        .bind::<Array<SqlUuid>, _>(gone)
        .execute(conn)
        .await?;
    Ok(Merged {
        removed: lost,
        pictures,
    })
}

/// What these conversations show, or showed, of themselves and of those who go with them.
async fn pictures(conn: &mut Connection, conversations: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Picture {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let shown: Vec<Picture> = sql_query(
        "SELECT avatar_media_id AS id FROM tributary.conversations
         WHERE id = ANY($1) AND avatar_media_id IS NOT NULL
         UNION
         SELECT avatar_media_id FROM tributary.participants
         WHERE conversation_id = ANY($1) AND avatar_media_id IS NOT NULL
         UNION
         SELECT former_avatar_media_id FROM tributary.conversation_access
         WHERE conversation_id = ANY($1) AND former_avatar_media_id IS NOT NULL
         UNION
         SELECT avatar_media_id FROM tributary.former_people
         WHERE conversation_id = ANY($1) AND avatar_media_id IS NOT NULL",
    )
    .bind::<Array<SqlUuid>, _>(conversations)
    .load(conn)
    .await?;
    Ok(shown.into_iter().map(|picture| picture.id).collect())
}

/// Everybody who has a row of their own in these conversations.
///
/// # Errors
///
/// When the statement fails.
pub async fn viewers_of(conn: &mut Connection, conversations: &[Uuid]) -> QueryResult<Vec<View>> {
    sql_query(
        "SELECT user_id, conversation_id FROM tributary.conversation_access
         WHERE conversation_id = ANY($1) ORDER BY 1, 2",
    )
    .bind::<Array<SqlUuid>, _>(conversations)
    .load(conn)
    .await
}

/// One Matrix user is one participant: the row that the conversation has already
/// stays, and the others go with theirs.
async fn move_participants(
    conn: &mut Connection,
    stays: Uuid,
    gone: &[Uuid],
) -> QueryResult<usize> {
    sql_query(
        "UPDATE tributary.participants p SET has_spoken = true
         FROM tributary.participants g
         WHERE p.conversation_id = $1 AND NOT p.has_spoken AND g.conversation_id = ANY($2)
           AND g.matrix_user_id = p.matrix_user_id AND g.has_spoken",
    )
    .bind::<SqlUuid, _>(stays)
    .bind::<Array<SqlUuid>, _>(gone)
    .execute(conn)
    .await?;
    sql_query(
        "UPDATE tributary.participants p SET conversation_id = $1, updated_at = now()
         FROM (SELECT DISTINCT ON (g.matrix_user_id) g.id
               FROM tributary.participants g
               WHERE g.conversation_id = ANY($2) AND NOT EXISTS (
                   SELECT 1 FROM tributary.participants s
                   WHERE s.conversation_id = $1 AND s.matrix_user_id = g.matrix_user_id)
               ORDER BY g.matrix_user_id, g.created_at, g.id) AS newcomer
         WHERE p.id = newcomer.id",
    )
    .bind::<SqlUuid, _>(stays)
    .bind::<Array<SqlUuid>, _>(gone)
    .execute(conn)
    .await
}

/// In the index they are under the name of the conversation that is gone.
async fn move_messages(conn: &mut Connection, stays: Uuid, gone: &[Uuid]) -> QueryResult<usize> {
    sql_query(
        "WITH moved AS (
             UPDATE tributary.messages m SET conversation_id = $1, sender_id = now.id
             FROM tributary.participants was
             JOIN tributary.participants now
               ON now.conversation_id = $1 AND now.matrix_user_id = was.matrix_user_id
             WHERE m.conversation_id = ANY($2) AND was.id = m.sender_id
             RETURNING m.id, m.deleted_at
         )
         INSERT INTO tributary.search_queue (message_id) SELECT id FROM moved WHERE deleted_at IS NULL",
    )
    .bind::<SqlUuid, _>(stays)
    .bind::<Array<SqlUuid>, _>(gone)
    .execute(conn)
    .await
}

/// The reactions in a message's metadata name participants, who may be others now.
async fn name_reactors(conn: &mut Connection, stays: Uuid) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Reacted {
        #[diesel(sql_type = Text)]
        room_id: String,
        #[diesel(sql_type = Text)]
        event_id: String,
    }
    let reacted: Vec<Reacted> = sql_query(
        "SELECT room_id, event_id FROM tributary.messages
         WHERE conversation_id = $1 AND metadata -> 'reactions' <> '[]'",
    )
    .bind::<SqlUuid, _>(stays)
    .load(conn)
    .await?;
    let (rooms, events): (Vec<_>, Vec<_>) = reacted
        .into_iter()
        .map(|reacted| (reacted.room_id, reacted.event_id))
        .unzip();
    messages::derive(conn, &rooms, &events).await?;
    Ok(())
}

async fn move_rooms(conn: &mut Connection, stays: Uuid, gone: &[Uuid]) -> QueryResult<()> {
    for table in ["rooms", "room_grants"] {
        sql_query(format!(
            "UPDATE tributary.{table} SET conversation_id = $1 WHERE conversation_id = ANY($2)"
        ))
        .bind::<SqlUuid, _>(stays)
        .bind::<Array<SqlUuid>, _>(gone)
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Of each viewer's read markers the one that is further counts for all of it.
async fn move_access(conn: &mut Connection, stays: Uuid, gone: &[Uuid]) -> QueryResult<usize> {
    const FURTHEST: &str =
        "ORDER BY read_through_at DESC NULLS LAST, read_through_event COLLATE \"C\" DESC";
    sql_query(format!(
        "INSERT INTO tributary.conversation_access AS a
             (user_id, conversation_id, last_event_at, sort_at, read_through_at, read_through_event,
              read_at, created_at)
         SELECT user_id, $1, max(last_event_at), coalesce(max(last_event_at), min(created_at)),
                (array_agg(read_through_at {FURTHEST}))[1], (array_agg(read_through_event {FURTHEST}))[1],
                max(read_at), min(created_at)
         FROM tributary.conversation_access
         WHERE conversation_id = $1 OR conversation_id = ANY($2)
         GROUP BY user_id ORDER BY user_id
         ON CONFLICT (user_id, conversation_id) DO UPDATE
         SET last_event_at = excluded.last_event_at, sort_at = excluded.sort_at,
             read_through_at = excluded.read_through_at,
             read_through_event = excluded.read_through_event,
             read_at = excluded.read_at, created_at = excluded.created_at, updated_at = now()"
    ))
    .bind::<SqlUuid, _>(stays)
    .bind::<Array<SqlUuid>, _>(gone)
    .execute(conn)
    .await
}

/// Frames that somebody has yet to fetch tell of the conversation that stays, or
/// what they say would be lost.
async fn move_frames(conn: &mut Connection, stays: Uuid, lost: &[View]) -> QueryResult<usize> {
    sql_query(
        "UPDATE tributary.outbox o SET conversation_id = $1
         FROM unnest($2::text[], $3::uuid[]) AS v(user_id, conversation_id)
         WHERE o.user_id = v.user_id AND o.conversation_id = v.conversation_id
           AND o.kind <> 'conversation.removed'",
    )
    .bind::<SqlUuid, _>(stays)
    .bind::<Array<Text>, _>(lost.iter().map(|view| &view.user_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(
        lost.iter()
            .map(|view| view.conversation_id)
            .collect::<Vec<_>>(),
    )
    .execute(conn)
    .await
}

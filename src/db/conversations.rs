//! Conversations: which rooms are theirs, and which of those leads.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{
    Connection,
    kin::{continued, portal_of},
};

#[derive(QueryableByName)]
struct Leading {
    #[diesel(sql_type = Text)]
    room_id: String,
    #[diesel(sql_type = Bool)]
    is_new: bool,
}

/// Gives every portal among these rooms that has a linked member its
/// conversation: the one that it continues, or a new one; and every conversation the
/// room that leads it. `networks` names the network of each bridge. Returns the
/// rooms that lead from now on. The caller holds the rooms' locks.
///
/// # Errors
///
/// When a statement fails.
pub async fn ensure(
    conn: &mut Connection,
    room_ids: &[String],
    networks: &[(String, String)],
) -> QueryResult<Vec<String>> {
    insert(conn, room_ids, networks).await?;
    adopt(conn, room_ids).await?;
    lead(conn, room_ids).await
}

async fn insert(
    conn: &mut Connection,
    room_ids: &[String],
    networks: &[(String, String)],
) -> QueryResult<usize> {
    let (bridge_ids, names): (Vec<_>, Vec<_>) = networks.iter().cloned().unzip();
    sql_query(format!(
        "WITH mapped AS (
             SELECT DISTINCT ON (r.bridge_id, r.protocol_id, r.channel_id, r.receiver) r.*
             FROM tributary.rooms r
             WHERE r.room_id = ANY($1) AND r.kind = 'portal' AND r.conversation_id IS NULL
               AND EXISTS (
                 SELECT 1 FROM tributary.room_members m
                 JOIN tributary.messenger_connections c
                   ON c.matrix_user_id = m.user_id AND c.bridge_id = r.bridge_id
                 WHERE m.room_id = r.room_id AND m.membership IN ('join', 'invite')
                   AND c.linked_at IS NOT NULL AND c.disconnected_at IS NULL)
               AND NOT EXISTS ({})
             ORDER BY r.bridge_id, r.protocol_id, r.channel_id, r.receiver
         )
         INSERT INTO tributary.conversations
             (bridge_id, network, protocol_id, channel_id, receiver, matrix_room_id, is_group)
         SELECT m.bridge_id, coalesce(n.network, m.bridge_id), m.protocol_id, m.channel_id, m.receiver,
                m.room_id,
                CASE WHEN m.room_type_v2 IS NOT NULL THEN m.room_type_v2 <> 'dm'
                     ELSE coalesce(m.room_type <> 'dm', false) END
         FROM mapped m
         LEFT JOIN unnest($2::text[], $3::text[]) AS n(bridge_id, network) USING (bridge_id)
         ON CONFLICT (bridge_id, protocol_id, channel_id, receiver) DO NOTHING",
        continued()
    ))
    .bind::<Array<Text>, _>(room_ids)
    .bind::<Array<Text>, _>(bridge_ids)
    .bind::<Array<Text>, _>(names)
    .execute(conn)
    .await
}

/// Of several that a room may continue it takes the oldest: they are about to be one.
async fn adopt(conn: &mut Connection, room_ids: &[String]) -> QueryResult<usize> {
    sql_query(format!(
        "UPDATE tributary.rooms t SET conversation_id = oldest.id
         FROM tributary.rooms r
         CROSS JOIN LATERAL (
             SELECT old.id FROM ({}) AS continued JOIN tributary.conversations old USING (id)
             ORDER BY old.created_at, old.id LIMIT 1) AS oldest
         WHERE t.room_id = r.room_id AND r.room_id = ANY($1)
           AND r.kind = 'portal' AND r.conversation_id IS NULL",
        continued()
    ))
    .bind::<Array<Text>, _>(room_ids)
    .execute(conn)
    .await
}

/// The newest room leads: after a re-creation that is the one people write in. One
/// that a tombstone has closed in favour of another of the conversation does not,
/// since a bridge may merge a newer room into an older one. The conversation goes by
/// the portal of the room that leads; another that still has its name is merged by
/// the job that looks at this room.
async fn lead(conn: &mut Connection, room_ids: &[String]) -> QueryResult<Vec<String>> {
    let rows: Vec<Leading> = sql_query(concat!(
        "WITH first AS (
             SELECT DISTINCT ON (r.conversation_id) r.*
             FROM tributary.rooms r
             WHERE r.conversation_id IN (SELECT conversation_id FROM tributary.rooms
                                         WHERE room_id = ANY($1))
             ORDER BY r.conversation_id,
                      EXISTS (SELECT 1 FROM tributary.rooms n
                              WHERE n.room_id = r.replaced_by AND n.room_id <> r.room_id
                                AND n.conversation_id = r.conversation_id),
                      r.created_ts DESC NULLS LAST, r.room_id COLLATE \"C\" DESC
         ), named AS (
             SELECT c.id, c.matrix_room_id AS led_by, r.room_id,
                    r.kind = 'portal' AND NOT EXISTS (
                        SELECT 1 FROM tributary.conversations o
                        WHERE o.id <> c.id AND ",
        portal_of!("o"),
        " = ",
        portal_of!("r"),
        ") AS names,
                    r.bridge_id, r.protocol_id, r.channel_id, r.receiver
             FROM first r JOIN tributary.conversations c ON c.id = r.conversation_id
         )
         UPDATE tributary.conversations c
         SET matrix_room_id = n.room_id,
             bridge_id = CASE WHEN n.names THEN n.bridge_id ELSE c.bridge_id END,
             protocol_id = CASE WHEN n.names THEN n.protocol_id ELSE c.protocol_id END,
             channel_id = CASE WHEN n.names THEN n.channel_id ELSE c.channel_id END,
             receiver = CASE WHEN n.names THEN n.receiver ELSE c.receiver END,
             updated_at = now()
         FROM named n
         WHERE c.id = n.id AND (n.led_by <> n.room_id
                                OR n.names AND ",
        portal_of!("c"),
        " IS DISTINCT FROM ",
        portal_of!("n"),
        ")
         RETURNING n.room_id, n.led_by <> n.room_id AS is_new"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .load(conn)
    .await?;
    let led = rows.into_iter().filter(|row| row.is_new);
    Ok(led.map(|row| row.room_id).collect())
}

/// The room that leads a conversation.
///
/// # Errors
///
/// When the statement fails.
pub async fn leading(conn: &mut Connection, conversation_id: Uuid) -> QueryResult<Vec<String>> {
    let rows: Vec<Leading> =
        sql_query("SELECT matrix_room_id AS room_id, false AS is_new FROM tributary.conversations WHERE id = $1")
            .bind::<SqlUuid, _>(conversation_id)
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(|row| row.room_id).collect())
}

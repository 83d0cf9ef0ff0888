//! Typing and receipts by Matrix ids, as conversations, participants and viewers.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, grants::since_start};
use crate::model::{
    ephemeral::{Ephemeral, Receipt},
    transient::{Transient, TransientKind},
};

/// Did the room receive message `m` behind the start of grant `g`?
const SINCE_START: &str = since_start!("m.received_at", "m.origin_server_ts");

/// Resolves what passes in mapped rooms; what nobody may see is left out.
///
/// # Errors
///
/// When a statement fails.
pub async fn resolve(conn: &mut Connection, parts: &[Ephemeral]) -> QueryResult<Vec<Transient>> {
    let mut typing = Vec::new();
    let mut receipts = Vec::new();
    for part in parts {
        match part {
            Ephemeral::Typing { room_id, user_ids } => typing.push((room_id, user_ids)),
            // Who has read one thread has not read the conversation up to there.
            Ephemeral::Receipt(receipt) if receipt.in_thread => {}
            Ephemeral::Receipt(receipt) => receipts.push(receipt),
        }
    }
    let mut found = Vec::new();
    for (room_id, user_ids) in typing {
        found.extend(resolve_typing(conn, room_id, user_ids).await?);
    }
    if !receipts.is_empty() {
        found.extend(resolve_receipts(conn, &receipts).await?);
    }
    Ok(found)
}

async fn resolve_typing(
    conn: &mut Connection,
    room_id: &str,
    user_ids: &[String],
) -> QueryResult<Option<Transient>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
        #[diesel(sql_type = Array<Text>)]
        viewers: Vec<String>,
        #[diesel(sql_type = Array<SqlUuid>)]
        participants: Vec<Uuid>,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT r.conversation_id,
                ARRAY(SELECT DISTINCT g.user_id FROM tributary.room_grants g
                      WHERE g.room_id = r.room_id AND g.until_at IS NULL) AS viewers,
                ARRAY(SELECT p.id FROM tributary.participants p
                      WHERE p.conversation_id = r.conversation_id AND p.matrix_user_id = ANY($2)
                      ORDER BY p.id) AS participants
         FROM tributary.rooms r
         WHERE r.room_id = $1 AND r.conversation_id IS NOT NULL AND r.enabled",
    )
    .bind::<Text, _>(room_id)
    .bind::<Array<Text>, _>(user_ids)
    .load(conn)
    .await?;
    Ok(rows
        .into_iter()
        .find(|row| !row.viewers.is_empty())
        .map(|row| Transient {
            user_ids: row.viewers,
            kind: TransientKind::Typing {
                conversation_id: row.conversation_id,
                participant_ids: row.participants,
            },
        }))
}

/// A private receipt is for its owner alone (specification, "Private read receipts").
async fn resolve_receipts(
    conn: &mut Connection,
    receipts: &[&Receipt],
) -> QueryResult<Vec<Transient>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        message_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        participant_id: Uuid,
        #[diesel(sql_type = Array<Text>)]
        viewers: Vec<String>,
    }
    let rows: Vec<Row> = sql_query(format!(
        "SELECT m.conversation_id, m.id AS message_id, p.id AS participant_id,
                ARRAY(SELECT DISTINCT g.user_id FROM tributary.room_grants g
                      JOIN tributary.messenger_connections c ON c.id = g.connection_id
                      WHERE g.room_id = m.room_id AND g.until_at IS NULL
                        AND {SINCE_START}
                        AND (NOT t.private OR c.matrix_user_id = t.user_id
                             OR c.bridge_user_id = p.external_id)) AS viewers
         FROM unnest($1::text[], $2::text[], $3::text[], $4::bool[]) AS t(room_id, event_id, user_id, private)
         JOIN tributary.rooms r ON r.room_id = t.room_id AND r.enabled
         JOIN tributary.messages m ON m.room_id = t.room_id AND m.event_id = t.event_id
         JOIN tributary.participants p
           ON p.conversation_id = m.conversation_id AND p.matrix_user_id = t.user_id"
    ))
    .bind::<Array<Text>, _>(receipts.iter().map(|r| &r.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(receipts.iter().map(|r| &r.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(receipts.iter().map(|r| &r.user_id).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(receipts.iter().map(|r| r.private).collect::<Vec<_>>())
    .load(conn)
    .await?;
    let transient = |row: Row| Transient {
        user_ids: row.viewers,
        kind: TransientKind::Receipt {
            conversation_id: row.conversation_id,
            participant_id: row.participant_id,
            message_id: row.message_id,
        },
    };
    Ok(rows
        .into_iter()
        .filter(|row| !row.viewers.is_empty())
        .map(transient)
        .collect())
}

//! Messages and their redactions.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join;
use uuid::Uuid;

use super::{Connection, dead_letters, statement::Keep as _};
use crate::model::{
    change::{Message, Redaction},
    new_id,
};

/// A message to store, with what its room says of it.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The message.
    pub message: Message,
    /// The conversation of its room.
    pub conversation_id: Uuid,
    /// The sender's remote id, for a ghost.
    pub external_id: Option<String>,
}

/// A message that was stored, or that changed.
#[derive(Debug, Clone, QueryableByName)]
pub struct Stored {
    /// The message.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its conversation.
    #[diesel(sql_type = SqlUuid)]
    pub conversation_id: Uuid,
    /// Its room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// Its event.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// Its sender's Matrix id.
    #[diesel(sql_type = Text)]
    pub sender: String,
    /// Its sender's remote id, for a ghost.
    #[diesel(sql_type = Nullable<Text>)]
    pub external_id: Option<String>,
    /// Its shown time.
    #[diesel(sql_type = Timestamptz)]
    pub timestamp: DateTime<Utc>,
    /// When the homeserver received it.
    #[diesel(sql_type = Timestamptz)]
    pub received_at: DateTime<Utc>,
    /// Whether that was long after its own time.
    #[diesel(sql_type = Bool)]
    pub historical: bool,
    /// Whether it is redacted.
    #[diesel(sql_type = Bool)]
    pub deleted: bool,
    /// Whose receipts point to it.
    #[diesel(sql_type = Array<Text>)]
    pub read_by: Vec<String>,
}

/// Makes sure that the senders are participants; returns the conversations that
/// gained somebody, whose titles have to be derived again. bridgev2 lists a customer's own
/// ghost among the functional members: a ghost that writes is somebody.
///
/// # Errors
///
/// When the statement fails.
pub async fn ensure_senders(
    mut conn: &Connection,
    messages: &[NewMessage],
) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Changed {
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
    }
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let changed: Vec<Changed> = sql_query(
        "WITH writers AS (
             UPDATE tributary.participants p SET is_service = false, updated_at = now()
             FROM unnest($1::uuid[], $2::text[]) AS s(conversation_id, sender)
             WHERE p.conversation_id = s.conversation_id AND p.matrix_user_id = s.sender
               AND p.is_service AND p.external_id IS NOT NULL
             RETURNING p.conversation_id
         ), added AS (
             INSERT INTO tributary.participants
                 (conversation_id, matrix_user_id, external_id, membership)
             SELECT DISTINCT ON (1, 2) s.conversation_id, s.sender, s.external_id, coalesce(
                 (SELECT r.membership FROM tributary.conversations c
                  JOIN tributary.room_members r ON r.room_id = c.matrix_room_id
                  WHERE c.id = s.conversation_id AND r.user_id = s.sender), 'leave')
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS s(conversation_id, sender, external_id)
             WHERE NOT EXISTS (SELECT 1 FROM tributary.participants p
                               WHERE p.conversation_id = s.conversation_id
                                 AND p.matrix_user_id = s.sender)
             ORDER BY 1, 2 ON CONFLICT DO NOTHING
             RETURNING conversation_id
         )
         SELECT conversation_id FROM writers UNION SELECT conversation_id FROM added",
    )
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|m| m.conversation_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(messages.iter().map(|m| &m.message.sender).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        messages.iter().map(|m| m.external_id.as_ref()).collect::<Vec<_>>(),
    )
    .kept()
    .load(&mut conn)
    .await?;
    Ok(changed.into_iter().map(|row| row.conversation_id).collect())
}

/// Stores messages; returns those that are new, in the given order. One that is
/// already redacted comes in without content.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(mut conn: &Connection, messages: &[NewMessage]) -> QueryResult<Vec<Stored>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let all = || messages.iter().map(|new| &new.message);
    sql_query(
        "WITH given AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::text[], $8::text[], $9::text[], $10::jsonb[], $11::bigint[], $12::timestamptz[],
                 $13::timestamptz[], $14::text[], $15::text[], $16::bool[])
             WITH ORDINALITY AS m(id, conversation_id, room_id, event_id, sender, event_type, kind, body,
                 formatted_body, content, ts, at, received_at, reply_to, thread_root, historical, position)
         ), stored AS (
             INSERT INTO tributary.messages
                 (id, conversation_id, room_id, event_id, sender_id, sender, event_type, type, body, formatted_body,
                  content, origin_server_ts, timestamp, received_at, reply_to_event_id,
                  thread_root_event_id, historical, deleted_at)
             SELECT m.id, m.conversation_id, m.room_id, m.event_id, p.id, m.sender, m.event_type,
                    CASE WHEN d.at IS NULL THEN m.kind ELSE m.event_type END,
                    CASE WHEN d.at IS NULL THEN m.body ELSE '' END,
                    CASE WHEN d.at IS NULL THEN m.formatted_body END,
                    CASE WHEN d.at IS NULL THEN m.content END,
                    m.ts, m.at, m.received_at,
                    CASE WHEN d.at IS NULL THEN m.reply_to END,
                    CASE WHEN d.at IS NULL THEN m.thread_root END,
                    m.historical, d.at
             FROM given m
             JOIN tributary.participants p
               ON p.conversation_id = m.conversation_id AND p.matrix_user_id = m.sender
             LEFT JOIN LATERAL (
                 SELECT d.timestamp AS at FROM tributary.redactions d
                 WHERE d.room_id = m.room_id AND d.redacts = m.event_id
                 ORDER BY d.origin_server_ts, d.event_id COLLATE \"C\" LIMIT 1) AS d ON true
             ON CONFLICT (room_id, event_id) DO NOTHING
             RETURNING id, deleted_at IS NOT NULL AS deleted
         )
         SELECT m.id, m.conversation_id, m.room_id, m.event_id, m.sender, p.external_id,
                m.at AS timestamp, m.received_at, m.historical, s.deleted,
                ARRAY(SELECT r.user_id FROM tributary.receipts r
                      WHERE r.room_id = m.room_id AND r.event_id = m.event_id) AS read_by
         FROM given m JOIN stored s USING (id)
         JOIN tributary.participants p
           ON p.conversation_id = m.conversation_id AND p.matrix_user_id = m.sender
         ORDER BY m.position",
    )
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|_| new_id()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|m| m.conversation_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.sender).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.event_type).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.body).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|m| m.formatted_body.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(all().map(|m| &m.content).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(all().map(|m| m.origin_server_ts).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(all().map(|m| m.timestamp).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(all().map(|m| m.received_at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|m| m.reply_to.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|m| m.thread_root.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(all().map(|m| m.historical).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await
}

/// Enters redactions as permanent tombstones, whether their targets are known or not.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert_redactions(mut conn: &Connection, redactions: &[Redaction]) -> QueryResult<()> {
    if redactions.is_empty() {
        return Ok(());
    }
    sql_query(
        "INSERT INTO tributary.redactions (room_id, event_id, redacts, sender, origin_server_ts, timestamp)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[])
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(redactions.iter().map(|r| &r.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(redactions.iter().map(|r| &r.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(redactions.iter().map(|r| &r.redacts).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(redactions.iter().map(|r| &r.sender).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(redactions.iter().map(|r| r.origin_server_ts).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(redactions.iter().map(|r| r.timestamp).collect::<Vec<_>>())
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// Takes the content of stored messages that are redacted, and their dead letters.
/// Returns the messages that changed.
///
/// # Errors
///
/// When a statement fails.
pub async fn redact(conn: &Connection, targets: &[(String, String)]) -> QueryResult<Vec<Stored>> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let (rooms, events): (Vec<_>, Vec<_>) = targets.iter().cloned().unzip();
    let (_, changed) = try_join(
        dead_letters::remove(conn, &rooms, &events),
        take_content(conn, &rooms, &events),
    )
    .await?;
    Ok(changed)
}

async fn take_content(
    mut conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Stored>> {
    sql_query(
        "WITH first AS (
             SELECT DISTINCT ON (d.room_id, d.redacts) d.room_id, d.redacts, d.timestamp AS at
             FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)
             JOIN tributary.redactions d ON d.room_id = t.room_id AND d.redacts = t.event_id
             ORDER BY d.room_id, d.redacts, d.origin_server_ts, d.event_id COLLATE \"C\"
         )
         UPDATE tributary.messages m
         SET deleted_at = f.at, body = '', formatted_body = NULL, content = NULL,
             reply_to_event_id = NULL, thread_root_event_id = NULL,
             type = m.event_type
         FROM first f, tributary.participants p
         WHERE m.room_id = f.room_id AND m.event_id = f.redacts AND p.id = m.sender_id
           AND m.deleted_at IS DISTINCT FROM f.at
         RETURNING m.id, m.conversation_id, m.room_id, m.event_id, m.sender, p.external_id,
                   m.timestamp, m.received_at, m.historical, true AS deleted,
                   ARRAY[]::text[] AS read_by",
    )
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

/// The shown time of an event, if it is a stored message.
///
/// # Errors
///
/// When the statement fails.
pub async fn find(conn: &mut Connection, events: &[(String, String)]) -> QueryResult<Vec<Stored>> {
    let (rooms, events): (Vec<_>, Vec<_>) = events.iter().cloned().unzip();
    sql_query(
        "SELECT m.id, m.conversation_id, m.room_id, m.event_id, m.sender, p.external_id,
                m.timestamp, m.received_at, m.historical, m.deleted_at IS NOT NULL AS deleted,
                ARRAY[]::text[] AS read_by
         FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)
         JOIN tributary.messages m ON m.room_id = t.room_id AND m.event_id = t.event_id
         JOIN tributary.participants p ON p.id = m.sender_id",
    )
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(conn)
    .await
}

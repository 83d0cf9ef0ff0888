//! Messages: what they show follows from their own event, their edits and redactions.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join3;
use uuid::Uuid;

use super::{Connection, rooms::At, statement::Keep as _};
use crate::model::{change::Message, new_id};

/// A message to store, with what its room says of it.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The message.
    pub message: Message,
    /// The conversation of its room.
    pub conversation_id: Uuid,
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
    /// Its own time: milliseconds since 1970, raw.
    #[diesel(sql_type = BigInt)]
    pub origin_server_ts: i64,
    /// Whether it was received long after its own time.
    #[diesel(sql_type = Bool)]
    pub historical: bool,
    /// Whether it is redacted.
    #[diesel(sql_type = Bool)]
    pub deleted: bool,
    /// Whose receipts point to it.
    #[diesel(sql_type = Array<Text>)]
    pub read_by: Vec<String>,
    /// Whether versions or reactions that came first have waited for it.
    #[diesel(sql_type = Bool)]
    pub awaited: bool,
}

impl Stored {
    /// When it was received, and said.
    #[must_use]
    pub fn at(&self) -> At {
        At::new(self.received_at, self.origin_server_ts)
    }
}

/// Stores messages; returns those that are new, in the given order. One that is
/// already redacted comes in without content; one that is known to be an edit, and
/// came pruned, is none. Their ids rise in that order.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &Connection, messages: &[NewMessage]) -> QueryResult<Vec<Stored>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    write(conn, messages).await
}

/// Prepares the statements of [`insert`], [`redact`] and [`forget_edits`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    try_join3(
        write(conn, &[]),
        take(conn, &[], &[]),
        forget(conn, &[], &[]),
    )
    .await?;
    Ok(())
}

async fn write(mut conn: &Connection, messages: &[NewMessage]) -> QueryResult<Vec<Stored>> {
    let all = || messages.iter().map(|new| &new.message);
    sql_query(
        "WITH given AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::text[], $8::text[], $9::text[], $10::jsonb[], $11::bigint[], $12::timestamptz[],
                 $13::timestamptz[], $14::text[], $15::text[], $16::bool[])
             AS m(id, conversation_id, room_id, event_id, sender, event_type, kind, body, formatted_body,
                  content, ts, at, received_at, reply_to, thread_root, historical)
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
             -- A lookup each: as a join it may be kept as one over all there are.
             WHERE (SELECT true FROM tributary.message_versions v
                    WHERE v.room_id = m.room_id AND v.event_id = m.event_id LIMIT 1) IS NULL
             -- Not by name: a partitioned table (contrib/postgres/partition) has the event's key with the conversation.
             ON CONFLICT DO NOTHING
             RETURNING id, conversation_id, room_id, event_id, sender_id, sender, timestamp, received_at,
                       origin_server_ts, historical, deleted_at
         ), queued AS (
             INSERT INTO tributary.search_queue (message_id) SELECT id FROM stored WHERE deleted_at IS NULL
         )
         SELECT m.id, m.conversation_id, m.room_id, m.event_id, m.sender, p.external_id,
                m.timestamp, m.received_at, m.origin_server_ts, m.historical, m.deleted_at IS NOT NULL AS deleted,
                ARRAY(SELECT r.user_id FROM tributary.receipts r
                      WHERE r.room_id = m.room_id AND r.event_id = m.event_id) AS read_by,
                coalesce(
                    (SELECT true FROM tributary.message_versions v
                     WHERE v.room_id = m.room_id AND v.target_event_id = m.event_id LIMIT 1),
                    (SELECT true FROM tributary.reactions r
                     WHERE r.room_id = m.room_id AND r.target_event_id = m.event_id LIMIT 1),
                    false) AS awaited
         FROM stored m JOIN tributary.participants p ON p.id = m.sender_id
         ORDER BY m.id",
    )
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|_| new_id()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|m| m.conversation_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.sender).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.event_type).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.shown.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|m| &m.shown.body).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|m| m.shown.formatted_body.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(all().map(|m| &m.shown.content).collect::<Vec<_>>())
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

/// Takes the content of stored messages that are redacted. Returns the messages
/// that changed.
///
/// # Errors
///
/// When the statement fails.
pub async fn redact(
    conn: &Connection,
    (rooms, events): (&[String], &[String]),
) -> QueryResult<Vec<Stored>> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    take(conn, rooms, events).await
}

async fn take(
    mut conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Stored>> {
    sql_query(format!(
        "WITH first AS (
             SELECT DISTINCT ON (d.room_id, d.redacts) d.room_id, d.redacts, d.timestamp AS at
             FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)
             JOIN tributary.redactions d ON d.room_id = t.room_id AND d.redacts = t.event_id
             ORDER BY d.room_id, d.redacts, d.origin_server_ts, d.event_id COLLATE \"C\"
         ), queued AS (
             INSERT INTO tributary.search_queue (message_id)
             SELECT m.id FROM first f JOIN tributary.messages m ON m.room_id = f.room_id AND m.event_id = f.redacts
         )
         UPDATE tributary.messages m
         SET deleted_at = f.at, body = '', formatted_body = NULL, content = NULL,
             reply_to_event_id = NULL, thread_root_event_id = NULL, type = m.event_type,
             edited_at = NULL, edit_event_id = NULL, edit_received_at = NULL, metadata = DEFAULT
         FROM first f, tributary.participants p
         WHERE m.room_id = f.room_id AND m.event_id = f.redacts AND p.id = m.sender_id
           AND m.deleted_at IS DISTINCT FROM f.at
         RETURNING {CHANGED}"
    ))
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

/// Brings what these messages show to the latest valid edit of each, or back to the
/// original, and their reactions to those that stand. Returns the messages that changed.
///
/// An edit is valid when its sender and type are those of the message (specification,
/// "Validity of replacement events").
///
/// # Errors
///
/// When the statement fails.
pub async fn derive(
    mut conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Stored>> {
    sql_query(format!(
        "WITH targets AS MATERIALIZED (
             SELECT m.id, m.room_id, m.event_id, m.sender, m.event_type, m.edit_event_id
             FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)) t
             JOIN tributary.messages m ON m.room_id = t.room_id AND m.event_id = t.event_id
             WHERE m.deleted_at IS NULL
         ), shown AS MATERIALIZED (
             SELECT t.id, v.*
             FROM targets t
             CROSS JOIN LATERAL (
                 SELECT v.event_id AS version, v.event_id = t.event_id AS is_original, v.type, v.body,
                        v.formatted_body, v.content, v.timestamp, v.received_at
                 FROM tributary.message_versions v
                 WHERE v.room_id = t.room_id AND v.target_event_id = t.event_id AND v.sender = t.sender
                   AND v.event_type = t.event_type AND v.content IS NOT NULL
                 ORDER BY is_original, v.origin_server_ts DESC, v.event_id COLLATE \"C\" DESC
                 LIMIT 1) AS v
         ), originals AS (
             INSERT INTO tributary.message_versions
                 (room_id, event_id, target_event_id, sender, event_type, type, body, formatted_body, content,
                  origin_server_ts, timestamp, received_at)
             SELECT m.room_id, m.event_id, m.event_id, m.sender, m.event_type, m.type, m.body,
                    m.formatted_body, m.content, m.origin_server_ts, m.timestamp, m.received_at
             FROM shown s JOIN tributary.messages m USING (id)
             WHERE m.edit_event_id IS NULL AND NOT s.is_original
             ON CONFLICT DO NOTHING
         ), restored AS (
             DELETE FROM tributary.message_versions v USING shown s, targets t
             WHERE s.is_original AND t.id = s.id
               AND v.room_id = t.room_id AND v.event_id = t.event_id AND v.target_event_id = v.event_id
         ), reacted AS (
             SELECT t.id, jsonb_build_object('reactions', coalesce((
                 SELECT jsonb_agg(jsonb_build_object('key', k.key, 'count', k.count, 'senders', k.senders)
                                  ORDER BY k.first, k.key COLLATE \"C\")
                 FROM (SELECT s.key, count(*) AS count, min(s.first) AS first,
                              jsonb_agg(p.id ORDER BY s.first, s.sender COLLATE \"C\") AS senders
                       FROM (SELECT r.key, r.sender, min(r.origin_server_ts) AS first
                             FROM tributary.reactions r
                             WHERE r.room_id = t.room_id AND r.target_event_id = t.event_id
                             GROUP BY r.key, r.sender) AS s
                       JOIN tributary.messages m ON m.id = t.id
                       JOIN tributary.participants p
                         ON p.conversation_id = m.conversation_id AND p.matrix_user_id = s.sender
                       GROUP BY s.key) AS k), '[]')) AS metadata
             FROM targets t
         )
         UPDATE tributary.messages m
         SET type = coalesce(s.type, m.type),
             body = coalesce(s.body, m.body),
             formatted_body = CASE WHEN s.id IS NULL THEN m.formatted_body ELSE s.formatted_body END,
             content = CASE WHEN s.id IS NULL THEN m.content WHEN s.is_original THEN s.content
                 ELSE s.content || CASE WHEN m.content ? 'm.relates_to'
                     THEN jsonb_build_object('m.relates_to', m.content -> 'm.relates_to') ELSE '{{}}' END END,
             edited_at = CASE WHEN NOT s.is_original THEN s.timestamp END,
             edit_event_id = CASE WHEN NOT s.is_original THEN s.version END,
             edit_received_at = CASE WHEN NOT s.is_original THEN s.received_at END,
             metadata = r.metadata
         FROM reacted r LEFT JOIN shown s USING (id), tributary.participants p
         WHERE m.id = r.id AND p.id = m.sender_id
           AND (m.edit_event_id IS DISTINCT FROM CASE WHEN NOT s.is_original THEN s.version END
                OR m.metadata <> r.metadata)
         RETURNING {CHANGED}"
    ))
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

/// Those of these messages that are stored and not redacted, as if they had changed.
///
/// # Errors
///
/// When the statement fails.
pub async fn standing(
    mut conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Stored>> {
    sql_query(format!(
        "SELECT {CHANGED}
         FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)
         JOIN tributary.messages m ON m.room_id = t.room_id AND m.event_id = t.event_id
         JOIN tributary.participants p ON p.id = m.sender_id
         WHERE m.deleted_at IS NULL"
    ))
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

/// Deletes what was taken for a redacted message and turned out to be a redacted
/// edit. Returns the conversations that lost one.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget_edits(
    conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Uuid>> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    forget(conn, rooms, events).await
}

async fn forget(
    mut conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Lost {
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
    }
    let lost: Vec<Lost> = sql_query(
        "DELETE FROM tributary.messages m USING unnest($1::text[], $2::text[]) AS t(room_id, event_id)
         WHERE m.room_id = t.room_id AND m.event_id = t.event_id
         RETURNING m.conversation_id",
    )
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await?;
    Ok(lost.into_iter().map(|row| row.conversation_id).collect())
}

/// What [`Stored`] says of a message `m` that changed, and of its sender `p`.
const CHANGED: &str = "m.id, m.conversation_id, m.room_id, m.event_id, m.sender, p.external_id,
    m.timestamp, m.received_at, m.origin_server_ts, m.historical, m.deleted_at IS NOT NULL AS deleted,
    ARRAY[]::text[] AS read_by, false AS awaited";

//! The versions of edited messages: every edit that was ever seen, and the
//! original while an edit is shown in its stead.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::{Connection, redactions::Gone, statement::Keep as _};
use crate::model::change::Edit;

/// A new edit or reaction, and the message that it is about, known or not.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Related {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// The edit or reaction.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// The message's event.
    #[diesel(sql_type = Text)]
    pub target_event_id: String,
    /// When the homeserver received the edit or reaction.
    #[diesel(sql_type = Timestamptz)]
    pub received_at: DateTime<Utc>,
    /// Its own time: milliseconds since 1970, raw.
    #[diesel(sql_type = BigInt)]
    pub origin_server_ts: i64,
    /// Whether it may change what the message shows: an edit may have no content.
    #[diesel(sql_type = Bool)]
    pub shows: bool,
}

/// A message that a redaction has taken an edit or a reaction from.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Lost {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// The message's event.
    #[diesel(sql_type = Text)]
    pub target_event_id: String,
}

/// Remembers edits; says of which messages there are new ones. An edit that is
/// redacted, or whose message is, or that is one of another edit, comes in without
/// content; one that is remembered without gets it when it can be read after all.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &Connection, edits: &[Edit]) -> QueryResult<Vec<Related>> {
    if edits.is_empty() {
        return Ok(Vec::new());
    }
    write(conn, edits).await
}

/// Prepares the statement of [`insert`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    write(conn, &[]).await.map(drop)
}

async fn write(mut conn: &Connection, edits: &[Edit]) -> QueryResult<Vec<Related>> {
    let shown = || edits.iter().map(|edit| edit.shown.as_ref());
    sql_query(
        "WITH stored AS (
         INSERT INTO tributary.message_versions AS v
             (room_id, event_id, target_event_id, sender, event_type, type, body, formatted_body, content,
              origin_server_ts, timestamp, received_at)
         SELECT DISTINCT ON (e.room_id, e.event_id)
                e.room_id, e.event_id, e.target, e.sender, e.event_type,
                CASE WHEN d.gone OR e.content IS NULL THEN e.event_type ELSE e.kind END,
                CASE WHEN d.gone OR e.content IS NULL THEN '' ELSE e.body END,
                CASE WHEN NOT d.gone THEN e.formatted_body END,
                CASE WHEN NOT d.gone THEN e.content END,
                e.ts, e.at, e.received_at
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::jsonb[], $10::bigint[], $11::timestamptz[], $12::timestamptz[])
              WITH ORDINALITY
              AS e(room_id, event_id, target, sender, event_type, kind, body, formatted_body, content,
                   ts, at, received_at, position)
         CROSS JOIN LATERAL (
             SELECT EXISTS (SELECT 1 FROM tributary.redactions d
                            WHERE d.room_id = e.room_id AND d.redacts IN (e.event_id, e.target))
                 OR coalesce((SELECT t.target_event_id <> t.event_id FROM tributary.message_versions t
                              WHERE t.room_id = e.room_id AND t.event_id = e.target LIMIT 1), false)
                 AS gone) AS d
         ORDER BY e.room_id, e.event_id, e.content IS NULL, e.position
         ON CONFLICT (room_id, event_id) DO UPDATE
         SET type = excluded.type, body = excluded.body, formatted_body = excluded.formatted_body,
             content = excluded.content
         WHERE v.content IS NULL AND excluded.content IS NOT NULL
         RETURNING room_id, event_id, target_event_id, received_at, origin_server_ts, content IS NOT NULL AS shows
         ), queued AS (
             INSERT INTO tributary.search_queue (message_id)
             SELECT m.id FROM stored s
             JOIN tributary.messages m ON m.room_id = s.room_id AND m.event_id = s.target_event_id
         )
         SELECT * FROM stored",
    )
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.replaces).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.sender).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.event_type).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(shown().map(|s| s.map(|s| &s.kind)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(shown().map(|s| s.map(|s| &s.body)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        shown().map(|s| s?.formatted_body.as_ref()).collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<Jsonb>>, _>(shown().map(|s| s.map(|s| &s.content)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(edits.iter().map(|e| e.origin_server_ts).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(edits.iter().map(|e| e.timestamp).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(edits.iter().map(|e| e.received_at).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await
}

/// Takes the content of redacted edits, and of all edits of what is gone. Says which
/// messages have lost one.
///
/// # Errors
///
/// When the statement fails.
pub async fn redact(mut conn: &Connection, gone: &Gone) -> QueryResult<Vec<Lost>> {
    sql_query(
        "WITH targets AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bool[]) AS t(room_id, event_id, itself)),
         originals AS (
             DELETE FROM tributary.message_versions v USING targets t
             WHERE t.itself AND v.room_id = t.room_id AND v.event_id = t.event_id
               AND v.target_event_id = t.event_id
         ), gone AS (
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT v.room_id, v.event_id FROM tributary.message_versions v
                 WHERE t.itself AND v.room_id = t.room_id AND v.event_id = t.event_id
                   AND v.content IS NOT NULL AND v.target_event_id <> v.event_id OFFSET 0) AS g
             UNION
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT v.room_id, v.event_id FROM tributary.message_versions v
                 WHERE v.room_id = t.room_id AND v.target_event_id = t.event_id
                   AND v.content IS NOT NULL AND v.target_event_id <> v.event_id OFFSET 0) AS g
         ), taken AS (
         UPDATE tributary.message_versions v
         SET type = v.event_type, body = '', formatted_body = NULL, content = NULL
         FROM gone g WHERE v.room_id = g.room_id AND v.event_id = g.event_id
         RETURNING v.room_id, v.target_event_id
         ), queued AS (
             INSERT INTO tributary.search_queue (message_id)
             SELECT m.id FROM taken t
             JOIN tributary.messages m ON m.room_id = t.room_id AND m.event_id = t.target_event_id
         )
         SELECT * FROM taken",
    )
    .bind::<Array<Text>, _>(&gone.rooms)
    .bind::<Array<Text>, _>(&gone.events)
    .bind::<Array<Bool>, _>(&gone.itself)
    .kept()
    .load(&mut conn)
    .await
}

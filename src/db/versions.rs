//! The versions of edited messages: every edit that was ever seen, and the
//! original while an edit is shown in its stead.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::{Connection, statement::Keep as _};
use crate::model::change::Edit;

/// A message that a new edit or reaction is about, whether it is known or not.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Related {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// The message's event.
    #[diesel(sql_type = Text)]
    pub target_event_id: String,
    /// When the homeserver received the edit or reaction.
    #[diesel(sql_type = Timestamptz)]
    pub received_at: DateTime<Utc>,
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
/// redacted, or whose message is, comes in without content.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(mut conn: &Connection, edits: &[Edit]) -> QueryResult<Vec<Related>> {
    if edits.is_empty() {
        return Ok(Vec::new());
    }
    sql_query(
        "INSERT INTO tributary.message_versions
             (room_id, event_id, target_event_id, sender, event_type, type, body, formatted_body, content,
              origin_server_ts, timestamp, received_at)
         SELECT e.room_id, e.event_id, e.target, e.sender, e.event_type,
                CASE WHEN d.gone THEN e.event_type ELSE e.kind END,
                CASE WHEN d.gone THEN '' ELSE e.body END,
                CASE WHEN NOT d.gone THEN e.formatted_body END,
                CASE WHEN NOT d.gone THEN e.content END,
                e.ts, e.at, e.received_at
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::jsonb[], $10::bigint[], $11::timestamptz[], $12::timestamptz[])
              AS e(room_id, event_id, target, sender, event_type, kind, body, formatted_body, content,
                   ts, at, received_at)
         CROSS JOIN LATERAL (
             SELECT EXISTS (SELECT 1 FROM tributary.redactions d
                            WHERE d.room_id = e.room_id AND d.redacts IN (e.event_id, e.target)) AS gone) AS d
         ON CONFLICT DO NOTHING
         RETURNING room_id, target_event_id, received_at",
    )
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.replaces).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.sender).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.event_type).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.shown.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(edits.iter().map(|e| &e.shown.body).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        edits.iter().map(|e| e.shown.formatted_body.as_ref()).collect::<Vec<_>>(),
    )
    .bind::<Array<Jsonb>, _>(edits.iter().map(|e| &e.shown.content).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(edits.iter().map(|e| e.origin_server_ts).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(edits.iter().map(|e| e.timestamp).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(edits.iter().map(|e| e.received_at).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await
}

/// Takes the content of redacted edits, and of all edits of redacted messages. Says
/// which messages have lost one.
///
/// # Errors
///
/// When the statement fails.
pub async fn redact(
    mut conn: &Connection,
    rooms: &[String],
    events: &[String],
) -> QueryResult<Vec<Lost>> {
    sql_query(
        "WITH targets AS (SELECT * FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)),
         originals AS (
             DELETE FROM tributary.message_versions v USING targets t
             WHERE v.room_id = t.room_id AND v.event_id = t.event_id AND v.target_event_id = t.event_id
         ), gone AS (
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT v.room_id, v.event_id FROM tributary.message_versions v
                 WHERE v.room_id = t.room_id AND v.event_id = t.event_id
                   AND v.content IS NOT NULL AND v.target_event_id <> v.event_id OFFSET 0) AS g
             UNION
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT v.room_id, v.event_id FROM tributary.message_versions v
                 WHERE v.room_id = t.room_id AND v.target_event_id = t.event_id
                   AND v.content IS NOT NULL AND v.target_event_id <> v.event_id OFFSET 0) AS g
         )
         UPDATE tributary.message_versions v
         SET type = v.event_type, body = '', formatted_body = NULL, content = NULL
         FROM gone g WHERE v.room_id = g.room_id AND v.event_id = g.event_id
         RETURNING v.room_id, v.target_event_id",
    )
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

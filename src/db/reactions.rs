//! Reactions that stand: a redaction removes the row.

use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Bool, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::{
    Connection,
    redactions::Gone,
    statement::Keep as _,
    versions::{Lost, Related},
};
use crate::model::change::Reaction;

/// Stores reactions, but those that are redacted or whose message is, and those to
/// edits; says to which messages there are new ones.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &Connection, reactions: &[Reaction]) -> QueryResult<Vec<Related>> {
    if reactions.is_empty() {
        return Ok(Vec::new());
    }
    write(conn, reactions).await
}

/// Prepares the statement of [`insert`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    write(conn, &[]).await.map(drop)
}

async fn write(mut conn: &Connection, reactions: &[Reaction]) -> QueryResult<Vec<Related>> {
    sql_query(
        "INSERT INTO tributary.reactions
             (room_id, event_id, target_event_id, sender, key, origin_server_ts, timestamp, received_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                              $7::timestamptz[], $8::timestamptz[])
              AS r(room_id, event_id, target, sender, key, ts, at, received_at)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.redactions d
                           WHERE d.room_id = r.room_id AND d.redacts = r.event_id)
           AND NOT EXISTS (SELECT 1 FROM tributary.redactions d
                           WHERE d.room_id = r.room_id AND d.redacts = r.target)
           AND NOT EXISTS (SELECT 1 FROM tributary.message_versions v
                           WHERE v.room_id = r.room_id AND v.event_id = r.target
                             AND v.target_event_id <> v.event_id)
         ON CONFLICT DO NOTHING
         RETURNING room_id, event_id, target_event_id, received_at, origin_server_ts, true AS shows",
    )
    .bind::<Array<Text>, _>(reactions.iter().map(|r| &r.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reactions.iter().map(|r| &r.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reactions.iter().map(|r| &r.target).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reactions.iter().map(|r| &r.sender).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reactions.iter().map(|r| &r.key).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(reactions.iter().map(|r| r.origin_server_ts).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(reactions.iter().map(|r| r.timestamp).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(reactions.iter().map(|r| r.received_at).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await
}

/// Removes redacted reactions, and all those to what is gone. Says which
/// messages have lost one.
///
/// # Errors
///
/// When the statement fails.
pub async fn redact(mut conn: &Connection, gone: &Gone) -> QueryResult<Vec<Lost>> {
    sql_query(
        "WITH targets AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bool[]) AS t(room_id, event_id, itself)),
         gone AS (
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT r.room_id, r.event_id FROM tributary.reactions r
                 WHERE t.itself AND r.room_id = t.room_id AND r.event_id = t.event_id OFFSET 0) AS g
             UNION
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT r.room_id, r.event_id FROM tributary.reactions r
                 WHERE r.room_id = t.room_id AND r.target_event_id = t.event_id OFFSET 0) AS g
         )
         DELETE FROM tributary.reactions r USING gone g
         WHERE r.room_id = g.room_id AND r.event_id = g.event_id
         RETURNING r.room_id, r.target_event_id",
    )
    .bind::<Array<Text>, _>(&gone.rooms)
    .bind::<Array<Text>, _>(&gone.events)
    .bind::<Array<Bool>, _>(&gone.itself)
    .kept()
    .load(&mut conn)
    .await
}

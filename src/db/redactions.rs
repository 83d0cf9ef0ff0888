//! Redactions: permanent tombstones of events that are known, or come later.

use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::{Connection, statement::Keep as _};
use crate::model::change::Redaction;

/// Events about which nothing stands any more, neither edit nor reaction: the room and
/// the id of each stand at one index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Their rooms.
    pub rooms: Vec<String>,
    /// Their ids.
    pub events: Vec<String>,
    /// Whether the event itself is gone as well: it is redacted. One that is not is an
    /// edit, of which there are neither edits nor reactions.
    pub itself: Vec<bool>,
}

impl Gone {
    /// Adds an event.
    pub fn add(&mut self, room_id: &str, event_id: &str, itself: bool) {
        self.rooms.push(room_id.to_owned());
        self.events.push(event_id.to_owned());
        self.itself.push(itself);
    }
}

/// Enters redactions as permanent tombstones, whether their targets are known or not;
/// returns how many were new.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(mut conn: &Connection, redactions: &[Redaction]) -> QueryResult<usize> {
    if redactions.is_empty() {
        return Ok(0);
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
    .await
}

//! Whether what was answered is in the tables.

use anyhow::ensure;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::shared::events::Push;

/// Whose tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Tributary,
    BarePg,
}

const TRIBUTARY: &str = "
    SELECT count(*) FROM unnest($1::text[], $2::text[]) AS e(room_id, event_id)
    WHERE NOT EXISTS (SELECT FROM tributary.messages t WHERE t.room_id = e.room_id AND t.event_id = e.event_id)
      AND NOT EXISTS (SELECT FROM tributary.reactions t WHERE t.room_id = e.room_id AND t.event_id = e.event_id)
      AND NOT EXISTS (SELECT FROM tributary.message_versions t WHERE t.room_id = e.room_id AND t.event_id = e.event_id)
      AND NOT EXISTS (SELECT FROM tributary.state_events t WHERE t.room_id = e.room_id AND t.event_id = e.event_id)
      AND NOT EXISTS (SELECT FROM tributary.redactions t WHERE t.room_id = e.room_id AND t.event_id = e.event_id)";
const BARE_PG: &str = "
    SELECT count(*) FROM unnest($1::text[], $2::text[]) AS e(room_id, event_id)
    WHERE NOT EXISTS (SELECT FROM bare.messages t WHERE t.room_id = e.room_id AND t.event_id = e.event_id)";

/// Fails when an event of these has left no row.
pub(crate) fn are_there(
    runtime: &Runtime,
    database: &Client,
    side: Side,
    pushes: &[Push],
) -> anyhow::Result<()> {
    let events = pushes.iter().flat_map(|push| &push.events);
    let (rooms, ids): (Vec<_>, Vec<_>) = events.map(|(room, id)| (room, id)).unzip();
    let sql = match side {
        Side::Tributary => TRIBUTARY,
        Side::BarePg => BARE_PG,
    };
    let missing: i64 = runtime
        .block_on(database.query_one(sql, &[&rooms, &ids]))?
        .get(0);
    ensure!(
        missing == 0,
        "{side:?} answered {} events with 200, and {missing} are not there",
        ids.len()
    );
    Ok(())
}

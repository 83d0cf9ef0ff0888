//! How far people have read: their own receipts, wherever those point.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryResult;

use super::announce::is_own;
use crate::{
    db::{
        Connection, receipts,
        rooms::Room,
        viewers::{ReadThrough, View},
    },
    matrix::bridges::Bridges,
};

/// Somebody's receipt, and the time of the event that it points to.
#[derive(Debug)]
pub(super) struct Receipt<'a> {
    pub(super) room_id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) event_id: &'a str,
    pub(super) at: DateTime<Utc>,
}

/// The read markers that a receipt moves: those of the customers whose it is.
pub(super) fn of(
    receipt: &Receipt<'_>,
    rooms: &HashMap<String, Room>,
    bridges: &Bridges,
) -> Vec<ReadThrough> {
    let Some((room, mapped)) = rooms
        .get(receipt.room_id)
        .and_then(|room| Some((room, room.mapped.as_ref()?)))
    else {
        return Vec::new();
    };
    let external_id = bridges.external_id(&mapped.bridge_id, receipt.user_id);
    let own = room
        .grants
        .iter()
        .filter(|grant| grant.is_open() && is_own(grant, receipt.user_id, external_id.as_deref()));
    own.map(|grant| ReadThrough {
        view: View {
            user_id: grant.user_id.clone(),
            conversation_id: mapped.conversation_id,
        },
        at: receipt.at,
        event_id: receipt.event_id.to_owned(),
    })
    .collect()
}

/// The read markers of receipts that came before the edits, reactions and state that
/// they point to.
pub(super) async fn waiting(
    conn: &Connection,
    events: &[(String, String, DateTime<Utc>)],
    rooms: &HashMap<String, Room>,
    bridges: &Bridges,
) -> QueryResult<Vec<ReadThrough>> {
    let room_ids: Vec<_> = events.iter().map(|(room, ..)| room.as_str()).collect();
    let event_ids: Vec<_> = events.iter().map(|(_, event, _)| event.as_str()).collect();
    let waiting = receipts::of_events(conn, &room_ids, &event_ids).await?;
    let mut reads = Vec::new();
    for receipt in &waiting {
        let targets = events
            .iter()
            .filter(|(room, event, _)| (room, event) == (&receipt.room_id, &receipt.event_id));
        for (room_id, event_id, at) in targets {
            let receipt = Receipt {
                room_id,
                user_id: &receipt.user_id,
                event_id,
                at: *at,
            };
            reads.extend(of(&receipt, rooms, bridges));
        }
    }
    Ok(reads)
}

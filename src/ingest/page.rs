//! A page of a room's history, through the same store as a push.

use diesel::QueryResult;

use super::{
    Batch, letters,
    shown::ByViewer,
    store::{Stored, store},
};
use crate::{
    db::{
        Connection, Prepared, plans,
        rooms::{self, Room},
    },
    matrix::{bridges::Bridges, decode},
    model::frame::Frame,
};

/// Stores a page of one room inside the caller's transaction, which has locked nothing
/// yet; the events may be in any order. `frames` says what goes out before the page's own.
///
/// # Errors
///
/// When a statement fails; nothing of the transaction may be kept then.
pub async fn store_page(
    conn: &mut Connection,
    prepared: Prepared,
    bridges: &Bridges,
    room_id: &str,
    mut batch: Batch,
    frames: impl FnOnce(Option<&Room>) -> Vec<Frame>,
) -> QueryResult<Stored> {
    batch.events.sort_by_key(|event| event.received_at);
    decode::order_receipts(&mut batch.events);
    plans::steady(conn).await?;
    let known = rooms::lock_and_load(conn, &[room_id.to_owned()]).await?;
    let frames = frames(known.get(room_id));
    letters::settle(conn, room_id, &batch).await?;
    store(
        conn,
        prepared,
        bridges,
        batch,
        known,
        frames,
        async |_, _| Ok(ByViewer::none()),
    )
    .await
}

//! What viewers are told of a room's backfill.

use std::collections::BTreeSet;

use diesel::QueryResult;

use crate::{
    db::{
        Connection,
        rooms::{self, Room},
        stream,
    },
    model::frame::{Frame, FrameKind},
};

/// One frame for each who sees the room now: how far its backfill is is read when the
/// frame goes out.
#[must_use]
pub fn backfill_frames(room: &Room) -> Vec<Frame> {
    let Some(mapped) = &room.mapped else {
        return Vec::new();
    };
    let open = room.grants.iter().filter(|grant| grant.is_open());
    let viewers: BTreeSet<_> = open.map(|grant| &grant.user_id).collect();
    viewers
        .into_iter()
        .map(|user_id| Frame {
            user_id: user_id.clone(),
            kind: FrameKind::BackfillProgress {
                conversation_id: mapped.conversation_id,
            },
        })
        .collect()
}

/// Tells everybody who sees the room, inside the caller's transaction: it locks the
/// room, and then the viewers' positions.
///
/// # Errors
///
/// When a statement fails.
pub async fn tell_backfill(conn: &mut Connection, room_id: &str) -> QueryResult<Vec<stream::Head>> {
    let known = rooms::lock_and_load(conn, &[room_id.to_owned()]).await?;
    let frames = known.get(room_id).map(backfill_frames).unwrap_or_default();
    stream::append(conn, &frames).await
}

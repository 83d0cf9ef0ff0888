//! What viewers are told when a file has come, or will not.

use diesel::QueryResult;

use super::{announce, relations::Updated, store::conversation_updated};
use crate::{
    db::{Connection, media::archive::ShownBy, messages, rooms, viewers},
    matrix::bridges::Bridges,
    model::frame::Frame,
};

/// The frames for everybody who sees what shows a file, whose state is another one now.
/// The caller holds the locks of the rooms.
///
/// # Errors
///
/// When a statement fails.
pub async fn file_frames(
    conn: &Connection,
    bridges: &Bridges,
    shown: &ShownBy,
) -> QueryResult<Vec<Frame>> {
    let known = rooms::load(conn, &shown.rooms).await?;
    let messages = messages::standing(conn, &shown.message_rooms, &shown.message_events).await?;
    let updated = messages
        .into_iter()
        .map(|message| Updated { message, by: None });
    let mut frames = announce::changed(updated.collect(), &[], &known, bridges);
    let viewers = viewers::of(conn, &shown.conversations).await?;
    frames.extend(viewers.into_iter().map(conversation_updated));
    Ok(frames)
}

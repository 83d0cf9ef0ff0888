//! Walks rooms again that an older fold has filled, as far back as it had gone: what
//! it dropped comes in.

use super::{
    Handler as _,
    backfill::{Backfill, Span},
};
use crate::{
    db::{
        self, Connection,
        jobs::{NewJob, enqueue_shared},
        refold::{self, Outdated},
    },
    fold,
};

/// Nobody's in particular: whoever links meanwhile does not wait for all of them.
const SHARE: &str = "refold";

/// Queues a walk for each of them; returns how many there are. `least` is how far
/// a walk goes where that is not known any more.
///
/// # Errors
///
/// When a statement fails.
pub async fn queue(conn: &Connection, least: Span) -> db::Result<usize> {
    let rooms = refold::outdated(conn, fold::VERSION).await?;
    let jobs: Vec<_> = rooms.into_iter().map(|room| job(room, least)).collect();
    if !jobs.is_empty() {
        let shares = jobs.iter().map(|job| (job.key.clone(), SHARE.to_owned()));
        enqueue_shared(conn, &jobs, &shares.collect()).await?;
    }
    Ok(jobs.len())
}

fn job(room: Outdated, least: Span) -> NewJob {
    let widest = |asked: i64, least: u32| u32::try_from(asked).map_or(least, |a| a.max(least));
    let span = Span {
        days: widest(room.days, least.days),
        max_messages: widest(room.max_messages, least.max_messages),
    };
    NewJob {
        kind: Backfill::KIND,
        key: room.room_id,
        payload: span.payload(),
    }
}

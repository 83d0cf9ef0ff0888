//! The pipeline from raw events to committed rows.
//!
//! A push ([`transaction`]) and a page of history ([`store_page`]) take the same way:
//! decode, sort by what the room is ([`partition`]), fold ([`facts`]), write in sets
//! ([`store()`], [`states`], [`relations`], [`reads`]), and tell the viewers ([`announce`], [`shown`]). It calls nobody but
//! Postgres.

mod announce;
mod backfills;
mod ephemeral;
mod facts;
mod files;
mod letters;
mod page;
mod partition;
mod reads;
mod relations;
pub mod shared_time;
mod shown;
mod states;
mod store;
mod tally;
pub mod transaction;

use crate::{clock::Clock, db::Database, matrix::bridges::Bridges, stream::Feed};

use self::store::store;
pub use self::{
    backfills::{backfill_frames, tell_backfill},
    files::file_frames,
    letters::Replayed,
    page::store_page,
    states::{Derived, apply as apply_states, map as map_rooms, map_and_merge},
    store::{Batch, Stored},
};

/// What ingest works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Postgres.
    pub db: Database,
    /// Who is who.
    pub bridges: std::sync::Arc<Bridges>,
    /// The time, which all replicas should agree on ([`shared_time`]).
    pub clock: Clock,
    /// Where committed frames are announced.
    pub feed: Feed,
    /// Woken when jobs have been queued.
    pub jobs: std::sync::Arc<tokio::sync::Notify>,
}

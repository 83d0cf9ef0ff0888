//! The pipeline from raw events to committed rows.
//!
//! A push ([`transaction`]) and a page of history ([`store()`]) take the same way:
//! decode, sort by what the room is ([`partition`]), fold ([`facts`]), write in sets
//! ([`store()`], [`states`], [`relations`], [`reads`]), and tell the viewers ([`announce`]). It calls nobody but Postgres.

mod announce;
mod ephemeral;
mod facts;
mod letters;
mod partition;
mod reads;
mod relations;
mod states;
mod store;
pub mod transaction;

use crate::{clock::Clock, db::Database, matrix::bridges::Bridges, stream::Feed};

pub use self::{
    letters::Replayed,
    states::{Derived, apply as apply_states, map as map_rooms, map_and_merge},
    store::{Batch, Stored},
};
pub(crate) use self::{letters::settle as settle_letters, store::store};

/// What ingest works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Postgres.
    pub db: Database,
    /// Who is who.
    pub bridges: std::sync::Arc<Bridges>,
    /// The time.
    pub clock: Clock,
    /// Where committed frames are announced.
    pub feed: Feed,
    /// Woken when jobs have been queued.
    pub jobs: std::sync::Arc<tokio::sync::Notify>,
}

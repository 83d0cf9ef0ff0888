//! What the operator asks for: the history of rooms, and which rooms are taken in.
//!
//! Each operation is one transaction and commits its audit row; what is refused leaves
//! nothing, and its row is the caller's business. A room's lock comes before its jobs.

mod backfills;
mod rooms;

use crate::{config, db, ingest::Ingest};

pub use self::{
    backfills::{Target, Wanted},
    rooms::{Looked, Switches},
};

/// The operations. Cheap to clone.
#[derive(Clone)]
pub struct Operator {
    ingest: Ingest,
    backfill: config::Backfill,
}

/// Why an operation did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("there is no such thing")]
    NotFound,
    /// It contradicts what is.
    #[error("{0}")]
    Conflict(&'static str),
    /// The database cannot; nothing is changed.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl From<db::QueryError> for Error {
    fn from(error: db::QueryError) -> Self {
        Self::Database(error.into())
    }
}

impl Operator {
    /// Works with what the rest of the program works with.
    #[must_use]
    pub fn new(config: &config::Config, ingest: Ingest) -> Self {
        Self {
            ingest,
            backfill: config.backfill.clone(),
        }
    }
}

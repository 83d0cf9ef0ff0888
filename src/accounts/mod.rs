//! Who owns which Matrix user (a `MessengerConnection`).
//!
//! The desktop companion reports a login and gets a code ([`Accounts::report`]);
//! a signed-in person redeems it ([`Accounts::link`]), and from then on sees the
//! Matrix user's portals; [`Accounts::disconnect`] ends that, and [`Accounts::delete`]
//! everything. The operator may link an
//! account without a code ([`Accounts::import`]). What the bridge says
//! ([`Accounts::bridge_state`]), or answers when it is asked ([`Accounts::confirm`]), is
//! displayed and decides nothing else; so is that it does neither ([`Accounts::show_silence`]).
//!
//! Each operation is one transaction and leaves an audit row, also when it is
//! refused. Its locks come in this order: turns (a Clerk user's, then a Matrix
//! user's), the rooms', rows, and the viewers' positions last.

mod attempts;
mod confirm;
mod connect;
mod delete;
mod disconnect;
mod effects;
mod erase;
mod identity;
mod import;
mod link;
mod mapping;
mod report;
mod silence;
mod state;
mod status;

use std::{collections::BTreeSet, time::Duration};

use crate::{
    auth::openid::OpenId,
    config::{Backfill, Config, OwnershipProof},
    db,
    erasure::Erasure,
    ingest::Ingest,
};

pub use self::{
    confirm::{Confirmed, Question},
    delete::Delivery,
    import::Import,
    report::{OpenIdToken, Report, Reported},
    state::Push,
};

/// The operations. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    ingest: Ingest,
    openid: OpenId,
    proof: OwnershipProof,
    server_name: String,
    backfill: Backfill,
    /// The bridges that can be asked about somebody.
    askable: BTreeSet<String>,
    erasure: Erasure,
    patience: Duration,
}

impl Accounts {
    /// Works with what the rest of the program works with.
    #[must_use]
    pub fn new(config: &Config, ingest: Ingest, openid: OpenId) -> Self {
        let bridges = config.bridges.iter();
        let askable = bridges.filter(|bridge| bridge.provisioning().is_some());
        Self {
            erasure: Erasure::new(ingest.clone()),
            patience: erase::PATIENCE,
            ingest,
            openid,
            proof: config.manager.ownership_proof,
            server_name: config.homeserver.server_name.clone(),
            backfill: config.backfill.clone(),
            askable: askable.map(|bridge| bridge.id.clone()).collect(),
        }
    }
}

/// Why an operation did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It must not.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not; nothing of it is kept.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl From<db::QueryError> for Error {
    fn from(error: db::QueryError) -> Self {
        Self::Database(error.into())
    }
}

/// A refusal, in words that the caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
    /// The caller may not claim this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or it is somebody else's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The Matrix user is somebody else's.
    #[error("the account is linked to somebody else")]
    Taken,
    /// Clerk has said that the user is gone, whatever their token says.
    #[error("the user has been deleted")]
    Deleted,
    /// Too many wrong codes.
    #[error("too many wrong codes")]
    TooManyTries {
        /// When the next try is counted again.
        retry_after: Duration,
    },
    /// Too many reports from one address.
    #[error("too many reports")]
    TooManyReports {
        /// When the next one is taken.
        retry_after: Duration,
    },
    /// Somebody whom it takes is away.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl Refused {
    /// The stable word for it, as in an answer's `code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Taken => "conflict",
            Self::Deleted => "unauthorized",
            Self::TooManyTries { .. } | Self::TooManyReports { .. } => "rate_limited",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// What an operation comes to inside its transaction: a refusal is committed too,
/// with its audit row.
type Answer<T> = db::Result<Result<T, Refused>>;

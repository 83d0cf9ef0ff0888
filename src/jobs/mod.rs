//! Work that survives a crash.
//!
//! [`Runner`] claims jobs from the database and hands each to the [`Handler`]
//! of its kind. It knows nothing of what they do; [`discover`], [`discover_bridge`],
//! [`backfill`], [`reconcile`], [`ask_bridge`], [`erase`], [`archive`] and [`clear_media`] do.

pub mod archive;
pub mod ask_bridge;
mod attempt;
pub mod backfill;
mod backoff;
pub mod clear_media;
pub mod discover;
pub mod discover_bridge;
mod endless;
pub mod erase;
mod eyes;
mod handler;
pub mod index_search;
pub mod media_watch;
pub mod reconcile;
pub mod refold;
pub mod retention;
mod runner;
pub mod silence;
pub mod watch;

pub use self::{
    handler::{AfterCommit, Handler, Handlers, KindLimits, Lease, Outcome},
    runner::{Runner, Timing, Waker},
};

/// What an error of the homeserver's means for a job.
fn retry(error: &crate::matrix::client::ClientError) -> Outcome {
    use crate::matrix::client::Retry;
    match error.retry() {
        Retry::After(pause) => Outcome::Retry {
            error: error.to_string(),
            after: Some(pause),
        },
        Retry::Later => Outcome::Retry {
            error: error.to_string(),
            after: None,
        },
        Retry::No => Outcome::Failed {
            error: error.to_string(),
        },
    }
}

//! Work that survives a crash.
//!
//! [`Runner`] claims jobs from the database and hands each to the [`Handler`]
//! of its kind. It knows nothing of what they do.

mod attempt;
mod backoff;
mod handler;
mod runner;

pub use self::{
    handler::{Handler, Handlers, KindLimits, Lease, Outcome},
    runner::{Runner, Timing, Waker},
};

//! Files: who may have them, and how they are sent.

mod caller;
mod disposition;
pub(super) mod get;
mod key;
mod original;
mod range;
mod representation;
mod thumbnail;
pub(super) mod tickets;

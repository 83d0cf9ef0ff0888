//! What the homeserver calls.

mod authorization;
mod paths;
mod transactions;

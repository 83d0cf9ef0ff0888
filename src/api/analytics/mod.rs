//! Numbers that people came for.

pub(super) mod get;
mod period;

//! Everybody's connections.

pub(in crate::api) mod import;
pub(in crate::api) mod list;

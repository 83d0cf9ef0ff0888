//! Histories that come in because somebody asked.

pub(in crate::api) mod cancel;
pub(in crate::api) mod get;
pub(in crate::api) mod list;
pub(in crate::api) mod start;

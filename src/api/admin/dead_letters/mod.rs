//! Events that could not be taken in.

pub(in crate::api) mod list;
pub(in crate::api) mod replay;

//! Single messages.

pub(super) mod context;
pub(super) mod get;

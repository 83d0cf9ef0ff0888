//! Single messages.

pub(super) mod get;

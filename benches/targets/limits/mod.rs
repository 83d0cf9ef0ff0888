//! What the same machine can do at most, to compare with.

pub(crate) mod bare;
pub(crate) mod child;
pub(crate) mod own;
pub(crate) mod raw;

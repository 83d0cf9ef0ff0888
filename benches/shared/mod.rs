//! What the benches have in common.

pub(crate) mod events;
pub(crate) mod people;
pub(crate) mod scratch;

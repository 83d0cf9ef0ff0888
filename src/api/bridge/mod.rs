//! What bridges call.

pub(super) mod status;

//! A user's own connections.

pub(super) mod connect;
pub(super) mod disconnect;
pub(super) mod link;
pub(super) mod status;

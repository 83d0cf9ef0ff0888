//! A viewer's conversations.

pub(super) mod get;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod read;

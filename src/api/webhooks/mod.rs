//! What others' servers report, under `/webhooks`.

pub(super) mod clerk;
mod event;

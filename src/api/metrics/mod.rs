//! What a Prometheus scrapes.

pub(super) mod get;

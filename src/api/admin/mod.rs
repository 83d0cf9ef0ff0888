//! What the operator calls, and the audit row that every call of it leaves.

pub(in crate::api) mod audit;
pub(in crate::api) mod backfill;
pub(in crate::api) mod calls;
pub(in crate::api) mod connections;
pub(in crate::api) mod dead_letters;
pub(in crate::api) mod rooms;

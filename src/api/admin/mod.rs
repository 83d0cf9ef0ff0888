//! What the operator calls, and the audit row that every call of it leaves.

pub(in crate::api) mod calls;
pub(in crate::api) mod dead_letters;

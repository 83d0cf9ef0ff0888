//! The rooms that Tributary knows, and their switches.

pub(in crate::api) mod change;
pub(in crate::api) mod list;
pub(in crate::api) mod reconcile;

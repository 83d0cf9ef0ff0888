//! What the operator reads: everybody's rows, and none of what people say.

pub mod audit;
pub mod backfills;
pub mod connections;
pub mod rooms;
pub mod targets;

//! The Matrix wire: what comes in is decoded here, what goes out is asked here.

pub mod bridges;
pub mod client;
pub mod decode;
pub mod ephemeral;
mod list;
pub mod provisioning;
pub mod registration;
pub mod transaction;

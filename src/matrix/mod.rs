//! The Matrix wire.

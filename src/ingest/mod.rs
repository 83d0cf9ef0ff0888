//! The transaction pipeline.

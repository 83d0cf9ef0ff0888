//! How much has come over a connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The bytes that a peer has sent, in a request's extensions. Whoever speaks another
/// protocol on the connection has no other way to know what was sent in vain.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<AtomicU64>);

impl Received {
    /// So many more.
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! SHA-256, the form in which secrets are kept and compared.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub(super) type Hash = [u8; 32];

/// The digest of `value` within `domain`, so that equal values of two kinds differ.
pub(super) fn sha256(domain: &str, value: &str) -> Hash {
    Sha256::new()
        .chain_update(domain)
        .chain_update([0])
        .chain_update(value)
        .finalize()
        .into()
}

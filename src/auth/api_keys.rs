//! The keys of the manager's and the operator's doors.

use secrecy::ExposeSecret;
use subtle::{Choice, ConstantTimeEq};

use super::digest::{Hash, sha256};
use crate::config::ApiKeys;

const DOMAIN: &str = "tributary/api-key";

/// The keys that open one door: several while one is rotated. Keeps their hashes only.
#[derive(Clone)]
pub struct ApiKeyRing(Vec<Hash>);

impl ApiKeyRing {
    /// The configured keys; an empty one opens nothing.
    #[must_use]
    pub fn new(keys: &ApiKeys) -> Self {
        let hashes = keys
            .0
            .iter()
            .map(ExposeSecret::expose_secret)
            .filter(|key| !key.is_empty())
            .map(|key| sha256(DOMAIN, key))
            .collect();
        Self(hashes)
    }

    /// Whether no key is configured: the door stays closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `presented` is one of the keys. Takes as long for any of them as for none.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        let presented = sha256(DOMAIN, presented);
        self.0
            .iter()
            .fold(Choice::from(0), |found, key| found | key.ct_eq(&presented))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[&str]) -> ApiKeyRing {
        ApiKeyRing::new(&ApiKeys(keys.iter().map(|key| (*key).into()).collect()))
    }

    #[test]
    fn any_key_of_the_ring_opens() {
        let ring = ring(&["old", "new"]);
        assert!(ring.matches("old") && ring.matches("new"));
        for wrong in ["", "ol", "old ", "OLD", "oldnew"] {
            assert!(!ring.matches(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_ring_without_keys_opens_to_nobody() {
        for ring in [ring(&[]), ring(&[""])] {
            assert!(ring.is_empty());
            assert!(!ring.matches(""));
        }
    }
}

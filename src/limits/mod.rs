//! How much one address, and one user, may ask for in a second.
//!
//! An address is counted before anything is done for it, a Clerk user once the token
//! is known. Each replica counts for itself and in memory: what has to hold across
//! replicas and restarts (wrong link codes) is counted in Postgres.

pub mod address;
mod at_once;
mod buckets;
mod received;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use hyper::HeaderMap;

use self::{
    address::{FORWARDED_FOR, Network, Proxies},
    buckets::Buckets,
};
pub use self::{
    at_once::{AtOnce, Task, Turn},
    received::Received,
};
use crate::{config, meters::meters};

/// Of each kind of what takes long so many are in the database at once, on one replica: others
/// want connections too.
const WORKING: usize = 3;

/// Too many requests; one more is taken after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub struct TooMany {
    /// Never zero.
    pub retry_after: Duration,
}

impl TooMany {
    /// As `Retry-After` says it: rounded up.
    #[must_use]
    pub fn whole_seconds(&self) -> u64 {
        let started = u64::from(self.retry_after.subsec_nanos() > 0);
        (self.retry_after.as_secs() + started).max(1)
    }
}

/// The limits of one replica.
#[derive(Debug)]
pub struct Limits {
    proxies: Proxies,
    addresses: Buckets<Network>,
    users: Buckets<String>,
    /// Analytics.
    pub analytics: AtOnce,
    /// Exports.
    pub exports: AtOnce,
    has_warned: AtomicBool,
}

impl Limits {
    /// As configured, with nothing counted yet.
    #[must_use]
    pub fn new(limits: &config::Limits, trusted_proxies: &[String]) -> Self {
        Self {
            proxies: Proxies::new(trusted_proxies),
            addresses: Buckets::new(limits.per_ip_per_second, limits.burst),
            users: Buckets::new(limits.per_user_per_second, limits.burst),
            analytics: AtOnce::new(1, WORKING),
            exports: AtOnce::new(2, WORKING),
            has_warned: AtomicBool::new(false),
        }
    }

    /// Who is asking: the peer, or whom its `X-Forwarded-For` names if it is a trusted proxy.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
    }

    /// The proxies whose word counts.
    #[must_use]
    pub fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Counts a request of an address; all of an IPv6 /64 count as one.
    ///
    /// # Errors
    ///
    /// [`TooMany`] beyond `limits.per_ip_per_second`; what is refused is not counted.
    pub fn admit_address(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), TooMany> {
        let client = self.client(peer, headers);
        self.addresses.take(&Network::of(client)).inspect_err(|_| {
            meters().rate_limited.of("address").increment(1);
            if client == peer.to_canonical() && headers.contains_key(FORWARDED_FOR) {
                self.warn_of_proxy(peer);
            }
        })
    }

    /// Counts a request of a Clerk user, of whom it is known that it is them.
    ///
    /// # Errors
    ///
    /// [`TooMany`] beyond `limits.per_user_per_second`; what is refused is not counted.
    pub fn admit_user(&self, user_id: &str) -> Result<(), TooMany> {
        self.users.take(&user_id.to_owned()).inspect_err(|_| {
            meters().rate_limited.of("user").increment(1);
        })
    }

    /// A proxy that nobody has named makes one address of all its clients: worth a line,
    /// and only one, since any stranger can send the header.
    fn warn_of_proxy(&self, peer: IpAddr) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "requests with X-Forwarded-For are limited as those of one address: \
                 if this is a proxy of yours, name it in server.trusted_proxies"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(trusted: &[&str]) -> Limits {
        let limits = config::Limits {
            per_ip_per_second: 1,
            per_user_per_second: 1,
            burst: 2,
            ..config::Limits::default()
        };
        let trusted: Vec<_> = trusted.iter().map(|cidr| (*cidr).to_owned()).collect();
        Limits::new(&limits, &trusted)
    }

    fn forwarded(hops: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, hops.parse().unwrap());
        headers
    }

    fn admitted(limits: &Limits, peer: &str, headers: &HeaderMap) -> usize {
        let peer = peer.parse().unwrap();
        let admits = |_: &i32| limits.admit_address(peer, headers).is_ok();
        (0..10).filter(admits).count()
    }

    #[test]
    fn each_address_has_its_own_count() {
        let (limits, none) = (limits(&[]), HeaderMap::new());
        for peer in ["9.9.9.9", "9.9.9.8", "2001:db8::1", "2001:db8:0:1::1"] {
            assert_eq!(admitted(&limits, peer, &none), 2, "{peer}");
        }
        // The same ones, spelled in another way or from the same network.
        for peer in ["::ffff:9.9.9.9", "2001:db8::2:1"] {
            assert_eq!(admitted(&limits, peer, &none), 0, "{peer}");
        }
    }

    #[test]
    fn whom_a_proxy_names_is_counted_if_the_proxy_is_trusted() {
        let limits = limits(&["10.0.0.0/8"]);
        assert_eq!(admitted(&limits, "10.0.0.1", &forwarded("1.1.1.1")), 2);
        assert_eq!(admitted(&limits, "10.0.0.1", &forwarded("1.1.1.2")), 2);
        assert_eq!(admitted(&limits, "10.0.0.2", &forwarded("1.1.1.1")), 0);
        assert_eq!(admitted(&limits, "9.9.9.9", &forwarded("1.1.1.3")), 2);
        assert_eq!(admitted(&limits, "9.9.9.9", &forwarded("1.1.1.4")), 0);
    }

    #[test]
    fn users_are_counted_apart_from_addresses() {
        let limits = limits(&[]);
        assert_eq!(admitted(&limits, "9.9.9.9", &HeaderMap::new()), 2);
        assert!(limits.admit_user("user_a").is_ok());
        assert!(limits.admit_user("user_a").is_ok());
        let refused = limits.admit_user("user_a").unwrap_err();
        assert!(!refused.retry_after.is_zero() && refused.retry_after <= Duration::from_secs(1));
        assert!(limits.admit_user("user_b").is_ok());
    }
}

//! How many connections there are, in all and of each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Settings;
use crate::limits::address::{Network, Proxies};

/// Of all places, those that strangers do not get: one in so many.
const RESERVED: usize = 16;

/// The places for connections of one listener.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_per_address: usize,
    proxies: Proxies,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_stranger: HashMap<Network, usize>,
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    stranger: Option<Network>,
}

impl Places {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            most: settings.most,
            most_per_address: settings.most_per_address,
            proxies: settings.proxies.clone(),
            taken: Mutex::default(),
        }
    }

    /// A place for a connection from `peer`, if there is one.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        // A proxy's connections are many people's, and so may those of this machine be.
        let is_many = peer.is_loopback() || self.proxies.contain(peer);
        let stranger = (!is_many).then(|| Network::of(peer));
        let mut taken = self.taken();
        if let Some(network) = stranger {
            let own = taken.by_stranger.get(&network).copied().unwrap_or(0);
            if own >= self.most_per_address || taken.all >= self.most - self.most / RESERVED {
                return None;
            }
            taken.by_stranger.insert(network, own + 1);
        } else if taken.all >= self.most {
            return None;
        }
        taken.all += 1;
        drop(taken);
        metrics::gauge!("tributary_connections").increment(1);
        Some(Place {
            places: Arc::clone(self),
            stranger,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Counting does not panic halfway.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("tributary_connections").decrement(1);
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(network) = self.stranger
            && let Some(own) = taken.by_stranger.get_mut(&network)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_stranger.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, most_per_address: usize) -> Arc<Places> {
        Arc::new(Places::new(&Settings {
            most,
            most_per_address,
            ..Settings::new(&["10.0.0.0/8".to_owned()])
        }))
    }

    fn take(places: &Arc<Places>, peer: &str, times: usize) -> Vec<Place> {
        let peer = peer.parse().unwrap();
        (0..times).filter_map(|_| places.take(peer)).collect()
    }

    #[test]
    fn an_address_has_only_so_many() {
        let places = places(100, 3);
        let held = take(&places, "203.0.113.1", 10);
        assert_eq!(held.len(), 3);
        assert_eq!(take(&places, "203.0.113.2", 1).len(), 1);
        assert_eq!(take(&places, "2001:db8::1", 2).len(), 2);
        drop(held);
        assert_eq!(take(&places, "203.0.113.1", 10).len(), 3);
        assert!(
            places.taken().by_stranger.is_empty(),
            "nothing is left over"
        );
        assert_eq!(places.taken().all, 0);
    }

    #[test]
    fn this_machine_and_proxies_are_many_people() {
        let places = places(100, 3);
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
            assert_eq!(take(&places, peer, 20).len(), 20, "{peer}");
        }
    }

    #[test]
    fn strangers_leave_some_for_the_proxies() {
        let places = places(32, 100);
        let strangers = take(&places, "203.0.113.1", 100);
        assert_eq!(strangers.len(), 30);
        let known = take(&places, "127.0.0.1", 100);
        assert_eq!(known.len(), 2);
        drop(strangers);
        assert_eq!(take(&places, "127.0.0.1", 100).len(), 30);
    }
}

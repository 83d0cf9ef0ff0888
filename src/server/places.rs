//! How many connections there are, in all and of each address, and who makes room.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{
    Settings,
    shortage::Shortage,
    watch::{Waiting, Watch},
};
use crate::{
    limits::address::{Network, Proxies},
    meters::meters,
};

/// Of all places, those that strangers do not get: one in so many.
const RESERVED: usize = 16;
/// Of all places, those that are made free at once: one in so many. Looking for whoever
/// waits is looking at all of them, which is too much for each connection of a flood.
const AT_ONCE: usize = 64;

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
    by_number: HashMap<u64, Holder>,
    by_stranger: HashMap<Network, usize>,
    next: u64,
    shortage: Shortage,
}

#[derive(Debug)]
struct Holder {
    stranger: Option<Network>,
    watch: Arc<Watch>,
}

/// A connection's place, free again when this is dropped, or when somebody else has it.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
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

    /// A place for the connection from `peer` that this watches, if there is one, or if
    /// somebody can make room: strangers do for everybody, and nobody else for a stranger.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr, watch: &Arc<Watch>) -> Option<Place> {
        let peer = peer.to_canonical();
        // A proxy's connections are many people's, and so may those of this machine be.
        let is_many = peer.is_loopback() || self.proxies.contain(peer);
        let stranger = (!is_many).then(|| Network::of(peer));
        let mut taken = self.taken();
        if !self.has_room(&mut taken, stranger) {
            taken.shortage.refused(Instant::now());
            return None;
        }
        if let Some(network) = stranger {
            *taken.by_stranger.entry(network).or_default() += 1;
        }
        let number = taken.next;
        taken.next += 1;
        let watch = Arc::clone(watch);
        taken.by_number.insert(number, Holder { stranger, watch });
        drop(taken);
        meters().connections.increment(1.0);
        let places = Arc::clone(self);
        Some(Place { places, number })
    }

    fn has_room(&self, taken: &mut Taken, stranger: Option<Network>) -> bool {
        let most = match stranger {
            None => self.most,
            Some(network) => {
                let own = taken.by_stranger.get(&network).copied().unwrap_or(0);
                if own >= self.most_per_address {
                    return false;
                }
                self.most - self.most / RESERVED
            }
        };
        if taken.by_number.len() < most {
            return true;
        }
        taken.make_room(stranger.is_some(), (self.most / AT_ONCE).max(1));
        taken.by_number.len() < most
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Counting does not panic halfway.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Gives up at most so many of those that wait, for a stranger or for anybody.
    fn make_room(&mut self, for_stranger: bool, at_most: usize) {
        let candidates = self.by_number.iter().filter_map(|(&number, holder)| {
            let is_known = holder.stranger.is_none();
            let waiting = holder.watch.waiting()?;
            (!(is_known && for_stranger)).then_some((is_known, waiting, number))
        });
        let mut candidates: Vec<(bool, Waiting, u64)> = candidates.collect();
        if candidates.len() > at_most {
            candidates.select_nth_unstable(at_most);
            candidates.truncate(at_most);
        }
        for &(_, _, number) in &candidates {
            if let Some(holder) = self.leave(number) {
                holder.watch.give_up();
            }
        }
        if !candidates.is_empty() {
            self.shortage.displaced(candidates.len(), Instant::now());
        }
    }

    /// Its place is free, unless it was already.
    fn leave(&mut self, number: u64) -> Option<Holder> {
        let holder = self.by_number.remove(&number)?;
        if let Some(network) = holder.stranger
            && let Some(own) = self.by_stranger.get_mut(&network)
        {
            *own -= 1;
            if *own == 0 {
                self.by_stranger.remove(&network);
            }
        }
        Some(holder)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        meters().connections.decrement(1.0);
        self.places.taken().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Timeouts, *};

    fn places(most: usize, most_per_address: usize) -> Arc<Places> {
        Arc::new(Places::new(&Settings {
            most,
            most_per_address,
            ..Settings::new(&["10.0.0.0/8".to_owned()])
        }))
    }

    /// Each with a request in hand.
    fn take(places: &Arc<Places>, peer: &str, times: usize) -> Vec<Place> {
        let busy = || {
            let watch = watch();
            watch.began();
            watch
        };
        let places = (0..times).filter_map(|_| places.take(peer.parse().unwrap(), &busy()));
        places.collect()
    }

    fn watch() -> Arc<Watch> {
        Arc::new(Watch::new(Timeouts::default(), Instant::now()))
    }

    /// A connection without one.
    struct Waits {
        watch: Arc<Watch>,
        _place: Place,
    }

    impl Waits {
        fn new(places: &Arc<Places>, peer: &str) -> Option<Self> {
            let watch = watch();
            let place = places.take(peer.parse().unwrap(), &watch)?;
            Some(Self {
                watch,
                _place: place,
            })
        }

        /// Whether its place is still its own.
        fn is_in(&self, places: &Places) -> bool {
            let taken = places.taken();
            let mut holders = taken.by_number.values();
            holders.any(|holder| Arc::ptr_eq(&holder.watch, &self.watch))
        }
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
        assert!(places.taken().by_number.is_empty());
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

    #[test]
    fn whoever_waits_the_longest_makes_room() {
        let places = places(4, 100);
        let wait = || Waits::new(&places, "127.0.0.1").unwrap();
        let (reserve, half) = (wait(), wait());
        reserve.watch.began();
        reserve.watch.answered(Instant::now());
        let busy = take(&places, "127.0.0.1", 2);
        let first = wait();
        assert!(!half.is_in(&places) && reserve.is_in(&places));
        let second = wait();
        assert!(!first.is_in(&places) && reserve.is_in(&places) && second.is_in(&places));
        assert_eq!(take(&places, "127.0.0.1", 1).len(), 1);
        assert_eq!(places.taken().by_number.len(), 3, "what was taken is back");
        assert_eq!(busy.len(), 2);
    }

    #[test]
    fn strangers_make_room_for_everybody_and_nobody_else_for_them() {
        let places = places(16, 100);
        let known = Waits::new(&places, "127.0.0.1").unwrap();
        let busy = take(&places, "203.0.113.1", 14);
        assert!(Waits::new(&places, "203.0.113.2").is_none());
        drop(busy);
        let wait = |peer: &str| Waits::new(&places, peer).unwrap();
        let strangers: Vec<_> = (0..15).map(|_| wait("203.0.113.1")).collect();
        assert!(!strangers[0].is_in(&places) && strangers[1].is_in(&places));
        let also = [wait("127.0.0.1"), wait("127.0.0.1")];
        assert!(known.is_in(&places) && also.iter().all(|waits| waits.is_in(&places)));
        assert!(!strangers[1].is_in(&places));
        assert_eq!(places.taken().by_stranger.len(), 1);
        drop((strangers, also, known));
        assert!(places.taken().by_stranger.is_empty());
    }
}

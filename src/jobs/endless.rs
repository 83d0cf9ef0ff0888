//! PURE: pages that lead nowhere.
//!
//! Where a walk ends is for the homeserver to say. One that is broken, or means harm, has
//! a next page for ever, and a job would never give back its place.

/// Events that are read in vain. The liveliest rooms have fewer without a message.
const MOST: u64 = 100_000;
/// An empty page is as good as so many: a homeserver hands out some where nobody may see
/// what is on them, and not hundreds in a row.
const EMPTY: u64 = 250;

/// What a walk whose pages do not end has to say.
pub(super) const ENDLESS: &str = "the homeserver's pages do not end";

/// How much a walk puts up with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    left: u64,
    /// The first and the last `origin_server_ts` of what was read.
    read: Option<(i64, i64)>,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            left: MOST,
            read: None,
        }
    }

    /// Whether a page with events of these times is of another time than those before it:
    /// what comes round again is not.
    pub(super) fn goes_on(&mut self, times: impl Iterator<Item = i64>) -> bool {
        let before = self.read;
        for time in times {
            let (first, last) = self.read.unwrap_or((time, time));
            self.read = Some((first.min(time), last.max(time)));
        }
        self.read != before
    }

    /// There was something on a page.
    pub(super) fn renew(&mut self) {
        self.left = MOST;
    }

    /// A page of so many events has brought nothing; whether another one is worth a try.
    pub(super) fn lasts(&mut self, events: u64) -> bool {
        let cost = if events == 0 { EMPTY } else { events };
        self.left = self.left.saturating_sub(cost);
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(events: u64) -> usize {
        let mut patience = Patience::new();
        (0..2_000).take_while(|_| patience.lasts(events)).count()
    }

    #[test]
    fn a_page_goes_on_in_either_direction_and_not_round() {
        let mut patience = Patience::new();
        let mut goes_on = |times: [i64; 2]| patience.goes_on(times.into_iter());
        assert!(goes_on([5, 7]));
        assert!(!goes_on([7, 5]));
        assert!(goes_on([3, 5]));
        assert!(goes_on([7, 8]));
        assert!(!goes_on([3, 8]));
        assert!(!patience.goes_on(std::iter::empty()));
    }

    #[test]
    fn in_vain_it_lasts_so_long() {
        assert_eq!((pages(0), pages(500), pages(1_000)), (399, 199, 99));
        let mut patience = Patience::new();
        for _ in 0..1_000 {
            assert!((0..50).all(|_| patience.lasts(0)));
            patience.renew();
        }
    }
}

//! Arrivals: the events of histories in some order, with repetitions, cut into
//! pushes and pages of history.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::history::{History, ROOMS};

/// What a push holds at most, as Synapse cuts it.
const PUSH: usize = 100;

/// The same for as many times the histories, so that a push of a long run holds as
/// much of each.
pub(super) fn whole_push() -> usize {
    PUSH * super::scale()
}

/// An event: which history's, and its position there.
pub(super) type Which = (usize, usize);

/// What comes at once.
#[derive(Debug, Clone)]
pub(super) enum Delivery {
    /// A pushed transaction, of any rooms.
    Push(Vec<Which>),
    /// A page of one room's history.
    Page(Vec<Which>),
}

impl Delivery {
    /// The events, in order.
    pub(super) fn events(&self) -> &[Which] {
        match self {
            Self::Push(events) | Self::Page(events) => events,
        }
    }

    /// What of it belongs to one history and is kept; the events are numbered anew,
    /// as the only history's.
    pub(super) fn only(&self, history: usize, keep: &[bool]) -> Option<Self> {
        let renumbered = |at: usize| keep[..at].iter().filter(|keep| **keep).count();
        let events: Vec<_> = self
            .events()
            .iter()
            .filter(|(of, at)| *of == history && keep[*at])
            .map(|(_, at)| (0, renumbered(*at)))
            .collect();
        if events.is_empty() {
            return None;
        }
        Some(match self {
            Self::Push(_) => Self::Push(events),
            Self::Page(_) => Self::Page(events),
        })
    }
}

/// Everything in order, each event once, as pushes: what the others are compared with.
pub(super) fn in_order(histories: &[History], push: usize) -> Vec<Delivery> {
    let longest = histories.iter().map(|h| h.events.len()).max().unwrap_or(0);
    let all: Vec<Which> = (0..longest)
        .flat_map(|at| (0..histories.len()).map(move |history| (history, at)))
        .filter(|(history, at)| *at < histories[*history].events.len())
        .collect();
    all.chunks(push)
        .map(|events| Delivery::Push(events.to_vec()))
        .collect()
}

/// In some order: what a seed makes of the histories.
pub(super) fn shuffled(histories: &[History], seed: u64) -> Vec<Delivery> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut runs: Vec<Vec<Which>> = Vec::new();
    for (number, history) in histories.iter().enumerate() {
        for room in 0..ROOMS {
            let order = order(history, number, room, &mut rng);
            runs.extend(cut(order, &mut rng));
        }
    }
    runs.shuffle(&mut rng);
    deliver(runs, &mut rng)
}

/// A permutation of a room's events, some twice; copies that tell nothing new may
/// be missing.
fn order(history: &History, number: usize, room: usize, rng: &mut StdRng) -> Vec<Which> {
    let mut order = Vec::new();
    for (at, event) in history.events.iter().enumerate() {
        if event.room == room && !(event.is_optional && rng.random_bool(0.4)) {
            let times = 1 + usize::from(rng.random_bool(0.08));
            order.extend(std::iter::repeat_n((number, at), times));
        }
    }
    order.shuffle(rng);
    order
}

fn cut(order: Vec<Which>, rng: &mut StdRng) -> Vec<Vec<Which>> {
    let (mut rest, mut runs) = (order, Vec::new());
    while !rest.is_empty() {
        let size = match rng.random_range(0..10) {
            0 => 1,
            1..=3 => rng.random_range(2..12),
            _ => rng.random_range(12..60 * super::scale()),
        };
        let behind = rest.split_off(size.min(rest.len()));
        runs.push(std::mem::replace(&mut rest, behind));
    }
    runs
}

/// A run of one room is a page, or part of one push or more.
fn deliver(runs: Vec<Vec<Which>>, rng: &mut StdRng) -> Vec<Delivery> {
    let (mut deliveries, mut push) = (Vec::new(), Vec::new());
    let mut size = whole_push();
    for run in runs {
        if rng.random_bool(0.3) {
            deliveries.push(Delivery::Page(run));
            continue;
        }
        for event in run {
            push.push(event);
            if push.len() >= size {
                deliveries.push(Delivery::Push(std::mem::take(&mut push)));
                size = match rng.random_range(0..20) {
                    0 => 1,
                    1..=3 => rng.random_range(2..50),
                    _ => whole_push(),
                };
            }
        }
    }
    deliveries.push(Delivery::Push(push));
    deliveries.retain(|delivery| !delivery.events().is_empty());
    deliveries
}

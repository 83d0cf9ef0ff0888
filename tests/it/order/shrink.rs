//! Looks for a small history with the same fault.

use std::sync::Arc;

use super::{
    arrival,
    check::{self, Arrival, Mismatch},
    history::History,
    house::House,
};

/// How often something that happens at the same time is tried.
const ATTEMPTS: usize = 5;
/// How many pushes the arrival in order has.
const PUSHES: usize = 20;

/// A fault, as small as it was found.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) history: History,
    pub(super) arrival: Arrival,
    pub(super) difference: String,
}

/// Takes events out of the history as long as the fault remains. None when it does
/// not show with this history alone.
pub(super) async fn shrink(
    house: &Arc<House>,
    history: &History,
    number: usize,
    arrival: &Arrival,
) -> Option<Fault> {
    let mut keep = vec![true; history.events.len()];
    let mut fault = attempt(house, history, number, arrival, &keep).await?;
    let mut size = keep.len().next_power_of_two() / 2;
    while size > 0 {
        for start in (0..keep.len()).step_by(size) {
            let mut fewer = keep.clone();
            let end = (start + size).min(fewer.len());
            fewer[start..end].fill(false);
            history.without_orphans(&mut fewer);
            if fewer == keep {
                continue;
            }
            if let Some(found) = attempt(house, history, number, arrival, &fewer).await {
                (fault, keep) = (found, fewer);
            }
        }
        size /= 2;
    }
    Some(fault)
}

async fn attempt(
    house: &Arc<House>,
    history: &History,
    number: usize,
    arrival: &Arrival,
    keep: &[bool],
) -> Option<Fault> {
    let history = history.only(keep);
    let deliveries = arrival.deliveries.iter();
    let arrival = Arrival {
        deliveries: deliveries.filter_map(|d| d.only(number, keep)).collect(),
        ..*arrival
    };
    let histories = Arc::new(vec![history.clone()]);
    // Small pushes: those of the group had only some events of each history.
    let push = (history.events.len() / PUSHES).max(1);
    let in_order = Arrival {
        deliveries: arrival::in_order(&histories, push),
        connections: 1,
    };
    let arrivals = [in_order, arrival];
    let attempts = if arrivals[1].connections == 1 {
        1
    } else {
        ATTEMPTS
    };
    for _ in 0..attempts {
        let found = check::compare(house, &histories, &arrivals).await;
        if let Ok(Some(Mismatch { difference, .. })) = found {
            let [_, arrival] = arrivals;
            return Some(Fault {
                history,
                arrival,
                difference,
            });
        }
    }
    None
}

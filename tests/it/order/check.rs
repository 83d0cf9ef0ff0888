//! Arrivals, and their comparison with the one in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use futures_util::future::{join_all, try_join_all};

use super::{
    arrival::Delivery,
    dump,
    history::History,
    house::{Copies, House},
};

/// What the homeserver, or the job, tries again for: nothing of it was kept.
const PASSING: &str = "deadlock detected";
const TRIES: usize = 10;

/// One arrival of a group of histories.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) deliveries: Vec<Delivery>,
    /// How many connections take deliveries at the same time.
    pub(super) connections: usize,
}

/// A history that an arrival has made something else of.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) history: usize,
    /// Its position among the arrivals; the first one is what it was compared with.
    pub(super) arrival: usize,
    /// What was stored only by the one (-), only by the other (+).
    pub(super) difference: String,
}

/// Lets all of these happen, in copies of their own, and compares what is stored.
///
/// # Errors
///
/// When the store refuses something.
pub(super) async fn compare(
    house: &Arc<House>,
    histories: &Arc<Vec<History>>,
    arrivals: &[Arrival],
) -> Result<Option<Mismatch>, String> {
    let copies = house.copies(histories.len(), arrivals.len()).await;
    let copies: Vec<_> = copies.into_iter().map(Arc::new).collect();
    let running = arrivals
        .iter()
        .zip(&copies)
        .map(|(arrival, copies)| arrive(house, histories, copies, arrival));
    try_join_all(running).await?;
    let tags: Vec<_> = copies.iter().flat_map(|c| c.tags.clone()).collect();
    let digests = dump::digests(&house.world, &tags).await;
    let expected = &digests[..histories.len()];
    let wrong = (histories.len()..digests.len())
        .find(|found| digests[*found] != expected[found % histories.len()]);
    let Some(found) = wrong else {
        return Ok(None);
    };
    let (arrival, history) = (found / histories.len(), found % histories.len());
    let expected = dump::dump(&house.world, &tags[history]).await;
    let found = dump::dump(&house.world, &tags[found]).await;
    Ok(Some(Mismatch {
        history,
        arrival,
        difference: dump::difference(&expected, &found),
    }))
}

async fn arrive(
    house: &Arc<House>,
    histories: &Arc<Vec<History>>,
    copies: &Arc<Copies>,
    arrival: &Arrival,
) -> Result<(), String> {
    let queue: VecDeque<_> = arrival.deliveries.clone().into();
    let queue = Arc::new(Mutex::new(queue));
    let workers = (0..arrival.connections).map(|_| {
        let (house, histories) = (Arc::clone(house), Arc::clone(histories));
        let (copies, queue) = (Arc::clone(copies), Arc::clone(&queue));
        tokio::spawn(async move {
            let next = || queue.lock().unwrap().pop_front();
            while let Some(delivery) = next() {
                let mut tries = 0;
                while let Err(error) = house.deliver(&histories, &copies, &delivery).await {
                    tries += 1;
                    if tries == TRIES || !error.contains(PASSING) {
                        return Err(error);
                    }
                }
            }
            Ok::<_, String>(())
        })
    });
    for worker in join_all(workers).await {
        worker.map_err(|error| error.to_string())??;
    }
    Ok(())
}

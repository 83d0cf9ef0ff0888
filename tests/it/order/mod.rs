//! Folding commutes: whatever order, repetition and batching
//! the events of a room arrive in, pushed or from its history, on one connection or
//! on several at once, the stored result is the same.
//!
//! A case is a random history of three rooms in one random arrival, compared with
//! its arrival in order. `TRIBUTARY_TEST_CASES` says how many each of the tests tries,
//! `TRIBUTARY_TEST_SEED` with which it begins: a failure names its own. A long run:
//!
//! ```text
//! TRIBUTARY_TEST_CASES=50000 TRIBUTARY_TEST_SCALE=4 cargo test --release --test it order:: -- --nocapture
//! ```
//!
//! `TRIBUTARY_TEST_SCALE` is how many times as many histories happen at once, in pushes
//! and pages that are as many times larger: statements are what a run's time goes to.

mod arrival;
mod check;
mod content;
mod dump;
mod event;
mod history;
mod hostile;
mod house;
mod shrink;

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use self::{
    check::{Arrival, Mismatch},
    history::History,
    house::{House, WITNESSES},
};

/// How many histories happen at the same time, in the same pushes.
const HISTORIES: usize = 8;
/// How many arrivals of each are compared with the one in order.
const ARRIVALS: usize = 4;
/// How many histories may pile up in the database.
const HISTORIES_KEPT: u64 = 160;

/// Among so many histories everything has happened.
const HISTORIES_FOR_ALL: u64 = 64;

fn scale() -> usize {
    number("TRIBUTARY_TEST_SCALE").map_or(1, |scale| usize::try_from(scale).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_arrival_is_of_no_consequence() {
    try_cases("one after the other", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrival_on_two_connections_at_once_is_of_no_consequence() {
    try_cases("two at once", 2).await;
}

async fn try_cases(what: &str, connections: usize) {
    let at_once = (HISTORIES * scale()) as u64;
    let cases_in_group = at_once * ARRIVALS as u64;
    let groups = number("TRIBUTARY_TEST_CASES")
        .unwrap_or(1024)
        .div_ceil(cases_in_group);
    // Groups follow each other, so that the seed of one is the beginning of a run.
    let begin = number("TRIBUTARY_TEST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let house = House::new().await;
    let mut met = BTreeSet::new();
    for group in 0..groups {
        let seed = begin + group;
        try_group(&house, seed, connections).await;
        if met.len() < WITNESSES.len() {
            met.extend(house.witnesses().await);
        }
        if (group + 1) * at_once % HISTORIES_KEPT < at_once {
            house.clear().await;
            say(&format!("{what}: {} cases", (group + 1) * cases_in_group));
        }
    }
    if groups * at_once >= HISTORIES_FOR_ALL {
        assert_eq!(met, WITNESSES.into(), "what none of the histories brought");
    }
    say(&format!(
        "{what}: {} cases, from seed {begin}",
        groups * cases_in_group
    ));
}

async fn try_group(house: &Arc<House>, seed: u64, connections: usize) {
    let of = |number: usize| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64;
    let at_once = HISTORIES * scale();
    let histories: Vec<_> = (0..at_once).map(|n| History::of(of(n))).collect();
    let in_order = Arrival {
        deliveries: arrival::in_order(&histories, arrival::whole_push()),
        connections: 1,
    };
    let others = (0..ARRIVALS).map(|n| Arrival {
        deliveries: arrival::shuffled(&histories, of(at_once + n)),
        connections,
    });
    let arrivals: Vec<_> = std::iter::once(in_order).chain(others).collect();
    let histories = Arc::new(histories);
    match check::compare(house, &histories, &arrivals).await {
        Ok(None) => {}
        Ok(Some(mismatch)) => {
            let told = tell(house, &histories, &arrivals, mismatch).await;
            panic!("TRIBUTARY_TEST_SEED={seed} finds:\n{told}");
        }
        Err(error) => panic!("TRIBUTARY_TEST_SEED={seed} is refused: {error}"),
    }
}

/// Everything that helps to understand a mismatch.
async fn tell(
    house: &Arc<House>,
    histories: &[History],
    arrivals: &[Arrival],
    found: Mismatch,
) -> String {
    let Mismatch {
        history,
        arrival,
        difference,
    } = found;
    let shrunk = shrink::shrink(house, &histories[history], history, &arrivals[arrival]).await;
    let mut told = format!("history {history}, arrival {arrival}\n{difference}");
    let Some(fault) = shrunk else {
        return told + "it does not show with this history alone";
    };
    let _ = writeln!(
        told,
        "\nshrunk, where the difference is:\n{}",
        fault.difference
    );
    for (number, event) in fault.history.events.iter().enumerate() {
        let _ = writeln!(told, "{number}: {}", event.json);
    }
    for delivery in &fault.arrival.deliveries {
        let _ = writeln!(told, "{delivery:?}");
    }
    told
}

fn number(variable: &str) -> Option<u64> {
    let number = std::env::var(variable).ok()?;
    Some(number.parse().expect("a number"))
}

#[expect(clippy::print_stderr, reason = "how much was tried is the result")]
fn say(text: &str) {
    eprintln!("{text}");
}

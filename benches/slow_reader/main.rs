//! What a reader who does not read costs the others, and the server: see
//! `benches/README.md`.

mod crowd;
mod load;
mod memory;
mod report;
#[path = "../serving/mod.rs"]
mod server;
#[path = "../shared/mod.rs"]
#[expect(dead_code, reason = "nothing looks for single events")]
mod shared;
mod socket;
mod stalled;

use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::{
    crowd::Crowd,
    load::Load,
    memory::Watch,
    report::{Measured, Report},
    server::{RAISED_LIMITS, Serving},
    shared::scratch::Scratch,
    stalled::Stalled,
};

const WARM_UP: Duration = Duration::from_secs(3);
/// How many do not read, round by round: of a user each.
const ROUNDS: [usize; 3] = [0, 1, 10];

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let round = Duration::from_secs(numbers.next().unwrap_or(60));
    let per_second = u32::try_from(numbers.next().unwrap_or(500))?;
    let runtime = Runtime::new()?;
    let scratch = runtime.block_on(Scratch::create())?;
    let measured = runtime
        .block_on(server::start(scratch.url(), RAISED_LIMITS))
        .context("Tributary did not start")
        .and_then(|server| {
            let measured = measure(&runtime, &server, round, per_second);
            server.stop()?;
            measured
        });
    runtime.block_on(scratch.remove())?;
    measured?.print()?;
    Ok(())
}

fn measure(
    runtime: &Runtime,
    server: &Serving,
    round: Duration,
    per_second: u32,
) -> anyhow::Result<Report> {
    let mut load = Load::new(server, per_second)?;
    let mut crowd = runtime.block_on(Crowd::open(server))?;
    let pushed = load.push(WARM_UP)?;
    runtime.block_on(crowd.collect(&pushed))?;
    let mut rounds = Vec::new();
    for stalled in ROUNDS {
        let stalled = runtime.block_on(Stalled::open(server, stalled))?;
        let watch = Watch::begin(server, &stalled);
        let pushed = load.push(round)?;
        let collected = runtime.block_on(crowd.collect(&pushed))?;
        let memory = watch.end()?;
        let outcomes = runtime.block_on(stalled.read_on(server, &collected))?;
        rounds.push(Measured {
            latencies: collected.latencies,
            outcomes,
            memory,
        });
    }
    Ok(Report {
        round,
        per_second,
        rounds,
    })
}

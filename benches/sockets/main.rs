//! What idle sockets cost, and what they cost the others: see `benches/README.md`.

#[path = "../shared/crowd.rs"]
mod crowd;
mod latency;
#[path = "../shared/process.rs"]
mod process;
mod report;
#[path = "../serving/mod.rs"]
mod server;
#[path = "../shared/mod.rs"]
#[expect(dead_code, reason = "nothing looks for single events")]
mod shared;
#[path = "../shared/socket.rs"]
mod socket;

use std::{thread, time::Duration};

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::{
    crowd::Crowd,
    latency::measure as measure_latency,
    process::{Usage, resident},
    report::Report,
    server::{RAISED_LIMITS, Serving},
    shared::{events::Shape, scratch::Scratch},
};

/// Unless the command says another number.
const SOCKETS: usize = 10_000;
/// Until what a handshake used is given back.
const SETTLE: Duration = Duration::from_secs(10);
/// More than two heartbeats.
const IDLE: Duration = Duration::from_mins(1);

fn main() -> anyhow::Result<()> {
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    let runtime = Runtime::new()?;
    let scratch = runtime.block_on(Scratch::create())?;
    let measured = runtime
        .block_on(server::start(scratch.url(), RAISED_LIMITS))
        .context("Tributary did not start")
        .and_then(|server| {
            let measured = measure(&runtime, &server, &scratch, number.unwrap_or(SOCKETS));
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
    scratch: &Scratch,
    number: usize,
) -> anyhow::Result<Report> {
    let pid = server.process.id();
    let customers = Shape::default().customers;
    let (mut watching, mut frames) =
        runtime.block_on(Crowd::open(server.address(), 0..customers))?;
    let alone = measure_latency(server, &mut frames, 0)?;
    thread::sleep(SETTLE);
    let before = resident(pid)?;

    let idle_users = customers..customers + number;
    let (mut idle, _) = runtime.block_on(Crowd::open(server.address(), idle_users))?;
    thread::sleep(SETTLE);
    let opened = resident(pid)?;
    let began = runtime.block_on(Usage::read(pid, scratch))?;
    thread::sleep(IDLE);
    let usage = runtime.block_on(Usage::read(pid, scratch))?.since(&began);
    let after_idling = resident(pid)?;
    let among_many = measure_latency(server, &mut frames, 1)?;
    watching.are_open()?;
    idle.are_open()?;
    Ok(Report {
        number,
        before,
        opened,
        after_idling,
        usage,
        alone,
        among_many,
    })
}

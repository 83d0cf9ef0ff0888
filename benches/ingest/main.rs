//! Events per second through the whole of Tributary, beside a bare server that
//! inserts the same events: see `benches/README.md`.

mod barepg;
mod database;
mod load;
mod report;
#[path = "../shared/mod.rs"]
mod shared;
mod tributary_server;

use std::thread;

use anyhow::{Context as _, bail};

use secrecy::ExposeSecret as _;
use tokio_postgres::Client;

use crate::{
    database::stored,
    load::{Homeserver, Timings},
    report::{Report, Side},
    shared::{
        events::{Events, Shape},
        scratch::{Scratch, connect},
    },
};

/// How many events come in one transaction, and how many transactions make a
/// round: long enough that one checkpoint does not decide it.
const LOADS: [Load; 3] = [
    Load {
        events: 1,
        transactions: 1_000,
    },
    Load {
        events: 10,
        transactions: 300,
    },
    Load {
        events: 100,
        transactions: 60,
    },
];
const ROUNDS: usize = 5;

/// One kind of load.
#[derive(Clone, Copy)]
struct Load {
    events: usize,
    transactions: usize,
}

fn main() -> anyhow::Result<()> {
    // The servers have threads of their own, as they have processes of their own in life.
    let servers = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let homeserver = thread::spawn(move || {
        let here = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        here.block_on(measure(servers.handle()))
    });
    let report = homeserver
        .join()
        .map_err(|_| anyhow::anyhow!("the bench panicked"))??;
    report.print()?;
    Ok(())
}

async fn measure(servers: &tokio::runtime::Handle) -> anyhow::Result<Report> {
    let scratch = Scratch::create().await?;
    let measured = measure_in(&scratch, servers).await;
    scratch.remove().await?;
    measured
}

async fn measure_in(scratch: &Scratch, servers: &tokio::runtime::Handle) -> anyhow::Result<Report> {
    let url = scratch.url();
    let tributary = servers
        .spawn(tributary_server::start(url.clone()))
        .await?
        .context("Tributary did not start")?;
    let barepg = servers
        .spawn(barepg::start(url.clone()))
        .await?
        .context("the bare server did not start")?;
    let mut sides = [
        (
            Side::Tributary,
            Homeserver::connect(tributary.address(), tributary.token()).await?,
        ),
        (
            Side::BarePg,
            Homeserver::connect(barepg, tributary.token()).await?,
        ),
    ];
    let counts = connect(url.expose_secret()).await?;
    let mut events = Events::new(Shape::default());
    let mut report = Report::default();
    for load in LOADS {
        // The first round is not counted: caches fill, statements are prepared.
        for round in 0..=ROUNDS {
            // In turns, so that a slow minute of the machine hits both.
            sides.reverse();
            for (side, homeserver) in &mut sides {
                let timings = run_round(&counts, *side, homeserver, &mut events, load).await?;
                if round > 0 {
                    report.add(load.events, *side, timings);
                }
            }
        }
    }
    tributary.stop().await?;
    Ok(report)
}

/// Pushes one round, then looks whether all that was answered with 200 is there.
async fn run_round(
    counts: &Client,
    side: Side,
    homeserver: &mut Homeserver,
    events: &mut Events,
    load: Load,
) -> anyhow::Result<Timings> {
    let before = stored(counts, side).await?;
    let bodies: Vec<_> = (0..load.transactions)
        .map(|_| events.transaction(load.events))
        .collect();
    let timings = homeserver.push_all(bodies).await?;
    let stored = stored(counts, side).await? - before;
    let pushed = load.events * load.transactions;
    if usize::try_from(stored)? != pushed {
        bail!("{side:?} answered {pushed} events with 200 and stored {stored}");
    }
    Ok(timings)
}

//! What honest requests take while strangers send garbage tokens: see `benches/README.md`.

mod addresses;
mod honest;
mod report;
#[path = "../serving/mod.rs"]
mod server;
#[path = "../shared/mod.rs"]
#[expect(dead_code, reason = "nothing looks for single events")]
mod shared;
mod strangers;

use std::{thread, time::Duration};

use anyhow::{Context as _, anyhow};

use crate::{
    honest::Latencies,
    report::{Measured, Report},
    server::{RAISED_LIMITS, Serving},
    shared::scratch::Scratch,
    strangers::Flood,
};

/// Which limits the server has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limits {
    /// Those of a configuration that does not name them.
    Default,
    /// So high that all reaches the verifier.
    Raised,
}

const WARM_UP: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(10);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let scratch = runtime.block_on(Scratch::create())?;
    let measured = measure(&runtime, &scratch);
    runtime.block_on(scratch.remove())?;
    measured?.print()?;
    Ok(())
}

fn measure(runtime: &tokio::runtime::Runtime, scratch: &Scratch) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for limits in [Limits::Default, Limits::Raised] {
        let settings = match limits {
            Limits::Default => &[],
            Limits::Raised => RAISED_LIMITS,
        };
        let server = runtime
            .block_on(server::start(scratch.url(), settings))
            .context("Tributary did not start")?;
        let measured = measure_one(&server);
        server.stop()?;
        report.add(limits, measured?);
    }
    Ok(report)
}

fn measure_one(server: &Serving) -> anyhow::Result<Measured> {
    honest::ask(server, WARM_UP)?;
    let quiet = honest::ask(server, ROUND)?;
    let (under_garbage, flood) = ask_in_a_flood(server)?;
    Ok(Measured {
        quiet,
        under_garbage,
        flood,
    })
}

fn ask_in_a_flood(server: &Serving) -> anyhow::Result<(Latencies, Flood)> {
    thread::scope(|scope| {
        let flood = scope.spawn(|| strangers::flood(server, ROUND));
        let asked = honest::ask(server, ROUND);
        let flood = flood.join().map_err(|_| anyhow!("the flood panicked"))?;
        Ok((asked?, flood?))
    })
}

//! What Tributary is meant to reach on a machine, beside what that machine can do at
//! all: see `benches/README.md`.

#[path = "../shared/crowd.rs"]
mod crowd;
mod figures;
mod group;
mod homeserver;
mod limits;
mod machine;
mod mock;
#[path = "../shared/process.rs"]
mod process;
mod report;
mod rows;
#[path = "../serving/mod.rs"]
mod server;
#[path = "../shared/mod.rs"]
mod shared;
#[path = "../shared/socket.rs"]
mod socket;
mod stand;
mod stored;

use std::{path::PathBuf, time::Duration};

use anyhow::{bail, ensure};
use clap::Parser;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    limits::child::serve_if_asked,
    report::{HEAD, Row, say},
    rows::{backfill, burst, frames, growth, idle, ingest, memory, own, pages, raw, startup},
    shared::scratch::admin,
};

/// A kind of row, by what it is asked for with.
type Kind = (&'static str, fn(&Bench) -> anyhow::Result<Vec<Row>>);

const KINDS: &[Kind] = &[
    ("raw", raw::measure),
    ("own", own::measure),
    ("ingest", ingest::measure),
    ("frames", frames::measure),
    ("backfill", backfill::measure),
    ("idle", idle::measure),
    ("burst", burst::measure),
    ("pages", pages::measure),
    ("memory", memory::measure),
    ("startup", startup::measure),
    ("growth", growth::measure),
];

/// Prints what Tributary reaches beside what it is meant to reach.
#[derive(Parser)]
struct Arguments {
    /// A few short rounds: a first look, not a figure to tell others.
    #[arg(long)]
    quick: bool,
    /// Writes the figures to this file as well, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Of ingest only the row with so many events a transaction, as for a profile.
    #[arg(long)]
    of_each: Option<usize>,
    /// Looks at growth with ten million messages as well, which takes 10 GB of disk and long.
    #[arg(long)]
    ten_million: bool,
    /// Said by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Only these kinds of rows.
    rows: Vec<String>,
}

/// What all rows need.
struct Bench {
    runtime: Runtime,
    quick: bool,
    of_each: Option<usize>,
    ten_million: bool,
}

impl Bench {
    /// How many rounds are counted.
    fn rounds(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// How long a round of a load is.
    fn round(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 3 })
    }
}

fn main() -> anyhow::Result<()> {
    if serve_if_asked()? {
        return Ok(());
    }
    let arguments = Arguments::parse();
    let is_known = |name: &&String| KINDS.iter().any(|(known, _)| known == *name);
    if let Some(name) = arguments.rows.iter().find(|name| !is_known(name)) {
        let known: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
        bail!("no rows are called {name}; there are {}", known.join(", "));
    }
    let bench = Bench {
        runtime: Runtime::new()?,
        quick: arguments.quick,
        of_each: arguments.of_each,
        ten_million: arguments.ten_million,
    };
    let database = bench.runtime.block_on(admin())?;
    let mut settings = machine::settings(&bench.runtime, &database)?;
    settings["quick"] = arguments.quick.into();
    say(&settings.to_string())?;
    let wanted =
        |name: &str| arguments.rows.is_empty() || arguments.rows.iter().any(|row| row == name);
    let kinds = KINDS.iter().filter(|(name, _)| wanted(name));
    let (rows, failed) = measure(&bench, kinds)?;
    settings["loadAfter"] = machine::load().into();
    print(&settings, &rows, &failed)?;
    if let Some(path) = &arguments.json {
        report::write(path, &settings, &rows, &failed)?;
    }
    ensure!(failed.is_empty(), "some rows could not be measured");
    Ok(())
}

/// The rows, and what could not be measured.
fn measure<'a>(
    bench: &Bench,
    kinds: impl Iterator<Item = &'a Kind>,
) -> anyhow::Result<(Vec<Row>, Vec<String>)> {
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    say(HEAD)?;
    for (name, measure) in kinds {
        match measure(bench) {
            Ok(measured) => {
                for row in &measured {
                    say(&row.line())?;
                }
                rows.extend(measured);
            }
            Err(error) => {
                failed.push(format!("{name}: {error:#}"));
                say(&format!("{name} FAILED: {error:#}"))?;
            }
        }
    }
    Ok((rows, failed))
}

/// All of it once more, in one place.
fn print(settings: &Value, rows: &[Row], failed: &[String]) -> anyhow::Result<()> {
    say(&format!("\n{settings}\n{HEAD}"))?;
    for row in rows {
        say(&row.line())?;
    }
    for failure in failed {
        say(&format!("FAILED {failure}"))?;
    }
    Ok(())
}

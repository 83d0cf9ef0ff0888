//! Resident memory: of the idle program, and after a million events.

use std::{fs, thread, time::Duration};

use serde_json::json;

use crate::{
    Bench,
    homeserver::Homeserver,
    process::resident,
    report::{Row, Target},
    server::{self, Serving},
    shared::{
        events::{Events, Shape},
        scratch::Scratch,
    },
    stand::SETTINGS,
};

const MIB: f64 = 1024.0 * 1024.0;
/// Until what a load used is given back.
const SETTLE: Duration = Duration::from_secs(10);
const OF_EACH: usize = 100;
/// How often memory is looked at on the way.
const LOOKS: usize = 10;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let started = server::start_empty(scratch.url(), SETTINGS);
    let rows = bench.runtime.block_on(started).and_then(|tributary| {
        let rows = measure_at(bench, &tributary);
        tributary.stop()?;
        rows
    });
    bench.runtime.block_on(scratch.remove())?;
    rows
}

fn measure_at(bench: &Bench, tributary: &Serving) -> anyhow::Result<Vec<Row>> {
    let events = if bench.quick { 100_000 } else { 1_000_000 };
    let pid = tributary.process.id();
    thread::sleep(SETTLE);
    let (idle, idle_is) = (mebibytes(pid)?, parts(pid)?);
    let mut homeserver = Homeserver::connect(tributary.address(), tributary.token())?;
    let mut made = Events::new(Shape::default());
    let mut on_the_way = Vec::new();
    for _ in 0..LOOKS {
        for _ in 0..events / OF_EACH / LOOKS {
            homeserver.push(&made.transaction(OF_EACH))?;
        }
        on_the_way.push(mebibytes(pid)?);
    }
    thread::sleep(SETTLE);
    let (after, after_is) = (mebibytes(pid)?, parts(pid)?);
    let row = |what, figure, most, parts: Vec<String>| Row {
        what,
        unit: "MiB",
        figure,
        beside: None,
        target: Target::AtMost(most),
        details: json!({ "onTheWay": on_the_way, "is": parts }),
    };
    Ok(vec![
        row("resident memory, idle".to_owned(), idle, 20.0, idle_is),
        row(
            format!("resident memory after {events} events"),
            after,
            30.0,
            after_is,
        ),
    ])
}

/// What of it is the program's own, and what is the file of its code, which the kernel maps
/// in pieces of 64 KiB and takes away when others need memory.
fn parts(pid: u32) -> anyhow::Result<Vec<String>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let lines = status.lines().filter(|line| line.starts_with("Rss"));
    Ok(lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect())
}

fn mebibytes(pid: u32) -> anyhow::Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "it is far less than 2^52")]
    let bytes = resident(pid)? as f64;
    Ok(bytes / MIB)
}

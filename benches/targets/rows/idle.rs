//! What a socket costs that has nothing to say.

use std::{thread, time::Duration};

use serde_json::json;

use crate::{
    Bench,
    crowd::Crowd,
    process::{Usage, resident},
    report::{Row, Target},
    server::{self, Serving},
    shared::{events::Shape, scratch::Scratch},
    stand::SETTINGS,
};

/// Until what a handshake used is given back.
const SETTLE: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let started = server::start(scratch.url(), SETTINGS);
    let row = bench.runtime.block_on(started).and_then(|tributary| {
        let row = measure_at(bench, &tributary, &scratch);
        tributary.stop()?;
        row
    });
    bench.runtime.block_on(scratch.remove())?;
    Ok(vec![row?])
}

fn measure_at(bench: &Bench, tributary: &Serving, scratch: &Scratch) -> anyhow::Result<Row> {
    let sockets = if bench.quick { 2_000 } else { 10_000 };
    let idling = Duration::from_secs(if bench.quick { 10 } else { 60 });
    let pid = tributary.process.id();
    let address = tributary.address();
    let customers = Shape::default().customers;
    // What the first ones bring with them is not theirs.
    let first = bench.runtime.block_on(Crowd::open(address, 0..customers))?;
    thread::sleep(SETTLE);
    let before = resident(pid)?;
    let users = customers..customers + sockets;
    let (mut crowd, _) = bench.runtime.block_on(Crowd::open(address, users))?;
    thread::sleep(SETTLE);
    let opened = resident(pid)?;
    let began = bench.runtime.block_on(Usage::read(pid, scratch))?;
    thread::sleep(idling);
    let now = bench.runtime.block_on(Usage::read(pid, scratch))?;
    let usage = now.since(&began);
    let after = resident(pid)?;
    crowd.are_open()?;
    drop(first);
    #[expect(clippy::cast_precision_loss, reason = "it is far less than 2^52")]
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / 1024.0 / sockets as f64;
    let of_a_core = |used: Duration| used.as_secs_f64() / usage.during.as_secs_f64() * 100.0;
    Ok(Row {
        what: format!("idle socket, resident memory, of {sockets}"),
        unit: "KiB",
        figure: each(opened.max(after)),
        beside: None,
        target: Target::AtMost(10.0),
        details: json!({
            "residentBefore": before, "resident": opened, "residentAfterIdling": after,
            "idleCpuPercent": of_a_core(usage.tributary), "idlePostgresCpuPercent": of_a_core(usage.postgres),
        }),
    })
}

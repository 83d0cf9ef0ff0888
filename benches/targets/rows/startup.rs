//! From the start of the program until it is ready, on a migrated database.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::json;

use crate::{
    Bench,
    figures::median,
    report::{Row, Target},
    server::{self, Serving, exchange},
    shared::scratch::Scratch,
    stand::SETTINGS,
};

const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let row = measure_at(bench, &scratch);
    bench.runtime.block_on(scratch.remove())?;
    Ok(vec![row?])
}

fn measure_at(bench: &Bench, scratch: &Scratch) -> anyhow::Result<Row> {
    let migrated = server::start_empty(scratch.url(), SETTINGS);
    bench.runtime.block_on(migrated)?.stop()?;
    let mut took = Vec::new();
    for _ in 0..bench.rounds() * 4 {
        let (begun, serving) = server::spawn(scratch.url(), SETTINGS)?;
        until_ready(&serving, begun)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        serving.stop()?;
    }
    Ok(Row {
        what: "start to ready on a migrated database".to_owned(),
        unit: "ms",
        figure: median(took.iter().copied()),
        beside: None,
        target: Target::AtMost(65.0),
        details: json!({ "starts": took }),
    })
}

fn until_ready(serving: &Serving, begun: Instant) -> anyhow::Result<()> {
    loop {
        // Who waits for the database hands the door over, and closes what has not asked yet.
        if let Ok(mut stream) = TcpStream::connect(serving.address())
            && matches!(exchange(&mut stream, READY), Ok(200))
        {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "it does not get ready");
        thread::sleep(Duration::from_micros(500));
    }
}

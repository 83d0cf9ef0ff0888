//! Pages of messages, with several readers at once.

use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, ensure};
use serde_json::{Value, json};

use crate::{
    Bench,
    figures::{median, percentile, rate},
    report::{Row, Target},
    server::{self, Serving, exchange, session},
    shared::{
        events::{Events, Shape},
        scratch::Scratch,
    },
    stand::SETTINGS,
};

const READERS: usize = 8;
/// Events that there are.
const EVENTS: usize = 20_000;
/// Pages of each conversation that are asked for in turn.
const DEEP: usize = 5;

/// What a reader asks for, again and again.
struct Reader {
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let started = server::start(scratch.url(), SETTINGS);
    let rows = bench.runtime.block_on(started).and_then(|tributary| {
        let rows = measure_at(bench, &tributary);
        tributary.stop()?;
        rows
    });
    bench.runtime.block_on(scratch.remove())?;
    rows
}

fn measure_at(bench: &Bench, tributary: &Serving) -> anyhow::Result<Vec<Row>> {
    fill(tributary)?;
    let readers = (0..READERS).map(|user| Reader::new(tributary.address(), user));
    let readers = readers.collect::<anyhow::Result<Vec<_>>>()?;
    let (mut rates, mut slowest) = (Vec::new(), Vec::new());
    for number in 0..=bench.rounds() {
        let took = round(&readers, bench.round())?;
        if number > 0 {
            rates.push(rate(took.len(), bench.round()));
            slowest.push(percentile(took, 99));
        }
    }
    let row = |what: &str, unit, figures: &[f64], target| Row {
        what: format!("pages of 50 messages, {READERS} readers{what}"),
        unit,
        figure: median(figures.iter().copied()),
        beside: None,
        target,
        details: json!({ "rounds": figures }),
    };
    Ok(vec![
        row("", "pages/s", &rates, Target::AtLeast(2_000.0)),
        row(", p99", "ms", &slowest, Target::AtMost(10.0)),
    ])
}

fn fill(tributary: &Serving) -> anyhow::Result<()> {
    let mut events = Events::new(Shape::default());
    // As many as are there already.
    events.transaction(1_000);
    let mut stream = TcpStream::connect(tributary.address())?;
    for id in 0..EVENTS / 100 {
        tributary.push(&mut stream, 1_000 + id, &events.transaction(100))?;
    }
    Ok(())
}

/// How long each page took.
fn round(readers: &[Reader], during: Duration) -> anyhow::Result<Vec<Duration>> {
    thread::scope(|scope| {
        let reading: Vec<_> = readers
            .iter()
            .map(|reader| scope.spawn(|| reader.read(during)))
            .collect();
        let mut took = Vec::new();
        for reader in reading {
            took.extend(reader.join().map_err(|_| anyhow!("a reader panicked"))??);
        }
        Ok(took)
    })
}

impl Reader {
    /// Of the first pages of all of a user's conversations.
    fn new(address: SocketAddr, user: usize) -> anyhow::Result<Self> {
        let token = session(&format!("user_{user}"))?;
        let request = |path: &str| {
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            head.into_bytes()
        };
        let mut stream = TcpStream::connect(address)?;
        let mut get = |path: &str| -> anyhow::Result<Value> {
            let (status, body) = server::exchange_whole(&mut stream, &request(path))?;
            ensure!(status == 200, "{path} was answered {status}");
            Ok(serde_json::from_slice(&body)?)
        };
        let list = get("/api/conversations")?;
        let mut requests = Vec::new();
        for conversation in list["items"].as_array().into_iter().flatten() {
            let id = conversation["id"].as_str().unwrap_or_default();
            let first = format!("/api/conversations/{id}/messages?limit=50");
            let mut path = first.clone();
            for _ in 0..DEEP {
                let page = get(&path)?;
                requests.push(request(&path));
                let Some(cursor) = page["nextCursor"].as_str() else {
                    break;
                };
                path = format!("{first}&cursor={cursor}");
            }
        }
        ensure!(requests.len() > DEEP, "there is too little to read");
        Ok(Self { address, requests })
    }

    fn read(&self, during: Duration) -> anyhow::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let mut took = Vec::new();
        let begun = Instant::now();
        for request in self.requests.iter().cycle() {
            let sent = Instant::now();
            if sent - begun >= during {
                break;
            }
            let status = exchange(&mut stream, request)?;
            ensure!(status == 200, "a page was answered {status}");
            took.push(sent.elapsed());
        }
        Ok(took)
    }
}

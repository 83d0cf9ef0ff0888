//! Strangers who send session tokens that are right in all but the signature: the
//! dearest garbage there is.
//!
//! Open loop: requests go out when they are due, whether or not those before them on the
//! same connection are answered.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{io::AsyncReadExt as _, net::tcp::OwnedReadHalf, task::JoinSet, time::timeout};

use crate::{
    addresses::connect_from,
    server::{Serving, session},
};

const PER_SECOND: u32 = 5_000;
const ADDRESSES: u8 = 20;
const CONNECTIONS_OF_EACH: usize = 5;
const TICK: Duration = Duration::from_millis(1);
/// For the last answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// How it went.
#[derive(Debug)]
pub(crate) struct Flood {
    pub(crate) took: Duration,
    /// Went out whole.
    pub(crate) sent: u64,
    /// Were due, but their connection took no more.
    pub(crate) stuck: u64,
    /// Answered 401: they reached the verifier.
    pub(crate) unauthorized: u64,
    /// Answered 429.
    pub(crate) limited: u64,
}

#[derive(Default)]
struct Answers {
    unauthorized: AtomicU64,
    limited: AtomicU64,
}

/// Sends for so long.
pub(crate) fn flood(server: &Serving, during: Duration) -> anyhow::Result<Flood> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(send(server, during))
}

async fn send(server: &Serving, during: Duration) -> anyhow::Result<Flood> {
    let answers = &*Box::leak(Box::<Answers>::default());
    let mut readers = JoinSet::new();
    let mut writers = Vec::new();
    for nth in 0..usize::from(ADDRESSES) * CONNECTIONS_OF_EACH {
        let last = u8::try_from(nth % usize::from(ADDRESSES))? + 1;
        let stream = connect_from(Ipv4Addr::new(127, 2, 0, last), server.address())?;
        stream.set_nonblocking(true)?;
        let (read, write) = tokio::net::TcpStream::from_std(stream)?.into_split();
        readers.spawn(count(read, answers));
        writers.push(write);
    }
    let request = format!(
        "GET /api/conversations HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\r\n",
        forged()?
    );
    let began = Instant::now();
    let (mut due, mut sent, mut stuck) = (0, 0, 0);
    let mut ticks = tokio::time::interval(TICK);
    let mut next = writers.iter().cycle();
    while began.elapsed() < during {
        ticks.tick().await;
        // Late ticks are made up for.
        let now = began.elapsed().as_secs_f64() * f64::from(PER_SECOND);
        while f64::from(due) < now {
            due += 1;
            let writer = next.next().context("no connections")?;
            match writer.try_write(request.as_bytes()) {
                Ok(length) if length == request.len() => sent += 1,
                _ => stuck += 1,
            }
        }
    }
    let took = began.elapsed();
    drop(writers);
    // The server closes what was closed on this side once it has answered.
    let _ = timeout(PATIENCE, async {
        while readers.join_next().await.is_some() {}
    })
    .await;
    Ok(Flood {
        took,
        sent,
        stuck,
        unauthorized: answers.unauthorized.load(Ordering::Relaxed),
        limited: answers.limited.load(Ordering::Relaxed),
    })
}

/// A token with the signature of another one.
fn forged() -> anyhow::Result<String> {
    let tokens = [session("user_0")?, session("user_1")?];
    let [message, signature] = [
        tokens[0].rsplit_once('.').context("no token")?.0,
        tokens[1].rsplit_once('.').context("no token")?.1,
    ];
    Ok(format!("{message}.{signature}"))
}

/// Counts the status lines. None is cut in two often enough to matter, and those that
/// are miss from the counts.
async fn count(mut read: OwnedReadHalf, answers: &'static Answers) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = read.read(&mut buffer).await {
        let read = &buffer[..length];
        for (status, counter) in [
            (b"HTTP/1.1 401", &answers.unauthorized),
            (b"HTTP/1.1 429", &answers.limited),
        ] {
            let found = read.windows(status.len()).filter(|at| at == status).count();
            counter.fetch_add(found as u64, Ordering::Relaxed);
        }
    }
}

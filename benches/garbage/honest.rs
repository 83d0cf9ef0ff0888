//! Signed-in users who ask for their conversations, each at an address of their own.
//!
//! Open loop: each request has a time at which it is due, and its latency counts from
//! then, however late the one before was answered. Each user has a thread that sleeps in
//! the kernel, whose timer is finer than a millisecond.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, ensure};

use crate::{
    addresses::connect_from,
    server::{Serving, exchange, session},
};

/// Below the default limit of a user.
const USERS: u8 = 10;
const PER_SECOND_AND_USER: u32 = 10;

/// What each request took, in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// So many percent of all took at most this.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// Asks for so long.
pub(crate) fn ask(server: &Serving, during: Duration) -> anyhow::Result<Latencies> {
    let began = Instant::now() + Duration::from_millis(100);
    let mut all = thread::scope(|scope| {
        let users: Vec<_> = (0..USERS)
            .map(|user| scope.spawn(move || ask_as(server, user, began, during)))
            .collect();
        let mut all = Vec::new();
        for user in users {
            all.extend(user.join().map_err(|_| anyhow!("a user panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    all.sort_unstable();
    Ok(Latencies(all))
}

fn ask_as(
    server: &Serving,
    user: u8,
    began: Instant,
    during: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let address = Ipv4Addr::new(127, 1, 0, user + 1);
    let mut stream = connect_from(address, server.address())?;
    let request = format!(
        "GET /api/conversations HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\r\n",
        session(&format!("user_{user}"))?
    );
    let every = Duration::from_secs(1) / PER_SECOND_AND_USER;
    let first = began + every * u32::from(user) / u32::from(USERS);
    let mut latencies = Vec::new();
    for nth in 0_u32.. {
        let due = first + every * nth;
        if due >= began + during {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = exchange(&mut stream, request.as_bytes())?;
        ensure!(status == 200, "an honest request was answered {status}");
        latencies.push(due.elapsed());
    }
    Ok(latencies)
}

//! How long a message takes from the homeserver's PUT to its customer's socket.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use tokio::sync::mpsc;

use crate::{
    crowd::Arrived,
    server::Serving,
    shared::events::{Events, Shape},
};

const MESSAGES: usize = 300;
/// Between two messages: they come one by one.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that `Serving::fill` has pushed.
const FILLED: usize = 1_000;

/// What each took, in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// So many percent of all took at most this.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// Sends messages one by one, others in every `round`.
pub(crate) fn measure(
    server: &Serving,
    frames: &mut mpsc::UnboundedReceiver<Arrived>,
    round: usize,
) -> anyhow::Result<Latencies> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_nodelay(true)?;
    let mut events = Events::new(Shape::default());
    let earlier = FILLED + round * MESSAGES;
    events.transaction(earlier);
    let mut latencies = Vec::new();
    for nth in 0..MESSAGES {
        let push = events.push(1);
        let began = Instant::now();
        server.push(&mut stream, earlier + nth, &push.body)?;
        if let [event_id] = &*push.messages {
            latencies.push(arrival(frames, event_id)?.saturating_duration_since(began));
        }
        thread::sleep(PAUSE);
    }
    latencies.sort_unstable();
    Ok(Latencies(latencies))
}

fn arrival(
    frames: &mut mpsc::UnboundedReceiver<Arrived>,
    event_id: &str,
) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match frames.try_recv() {
            Ok(arrived) if arrived.event_id == event_id => return Ok(arrived.at),
            Ok(_) => {}
            Err(mpsc::error::TryRecvError::Disconnected) => {
                bail!("no socket is read any more");
            }
            Err(mpsc::error::TryRecvError::Empty) => {
                ensure!(Instant::now() < deadline, "a frame did not come");
                // The reader has the time of arrival: this is no part of it.
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

//! Signed-in users, each with a socket.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_tungstenite::tungstenite::Message;

use crate::socket::{Socket, connect, next};

/// Handshakes at once.
const AT_ONCE: usize = 32;

/// A `message.created`, and when it came.
pub(crate) struct Arrived {
    pub(crate) event_id: String,
    pub(crate) at: Instant,
}

/// The event of a `message.created`. It is searched for and not parsed: whoever reads shares the
/// cores with whoever is measured, and frames are as long as their server makes them.
fn created(frame: &str) -> Option<&str> {
    const EVENT_ID: &str = r#""matrixEventId":""#;
    let (before, rest) = frame.split_once(EVENT_ID)?;
    let (event_id, _) = rest.split_once('"')?;
    before
        .contains(r#""type":"message.created""#)
        .then_some(event_id)
}

/// Sockets that are read for as long as this is kept.
pub(crate) struct Crowd {
    readers: JoinSet<anyhow::Error>,
}

impl Crowd {
    /// Opens a socket for each of these users, and tells what comes on them.
    pub(crate) async fn open(
        to: SocketAddr,
        users: impl ExactSizeIterator<Item = usize>,
    ) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Arrived>)> {
        let expected = users.len();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let arrivals = Arc::new(arrivals);
        let mut opening = stream::iter(users)
            .map(|user| connect(to, user))
            .buffer_unordered(AT_ONCE);
        let mut readers = JoinSet::new();
        while let Some(socket) = opening.next().await {
            readers.spawn(read(socket?, Arc::clone(&arrivals)));
        }
        ensure!(readers.len() == expected, "not all sockets were opened");
        Ok((Self { readers }, arrived))
    }

    /// Fails when one of them has been closed.
    pub(crate) fn are_open(&mut self) -> anyhow::Result<()> {
        match self.readers.try_join_next() {
            Some(ended) => Err(ended?).context("a socket was closed"),
            None => Ok(()),
        }
    }
}

/// Reads, which answers pings as well, until the socket ends.
async fn read(mut socket: Socket, arrivals: Arc<mpsc::UnboundedSender<Arrived>>) -> anyhow::Error {
    loop {
        let text = match next(&mut socket).await {
            Ok(Message::Text(text)) => text,
            Ok(_) => continue,
            Err(error) => return error,
        };
        let at = Instant::now();
        if let Some(event_id) = created(&text) {
            // Nobody listens for what idle users get, which is nothing.
            let event_id = event_id.to_owned();
            let _ = arrivals.send(Arrived { event_id, at });
        }
    }
}

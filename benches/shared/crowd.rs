//! Signed-in users, each with a socket.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
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

/// Of a frame as much as is looked at.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    message: Created<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    matrix_event_id: &'a str,
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
        if let Ok(frame) = serde_json::from_str::<Frame<'_>>(&text)
            && frame.kind == "message.created"
            && let Ok(data) = serde_json::from_str::<Data<'_>>(frame.data.get())
        {
            // Nobody listens for what idle users get, which is nothing.
            let event_id = data.message.matrix_event_id.to_owned();
            let _ = arrivals.send(Arrived { event_id, at });
        }
    }
}

//! Signed-in users, each with a socket.

use std::{ops::Range, sync::Arc, time::Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::server::{Serving, session};

/// Handshakes at once.
const AT_ONCE: usize = 32;
const BUFFER: usize = 1024;

type Socket = WebSocketStream<TcpStream>;

/// A `message.created`, and when it came.
pub(crate) struct Arrived {
    pub(crate) event_id: String,
    pub(crate) at: Instant,
}

/// Sockets that are read for as long as this is kept.
pub(crate) struct Crowd {
    readers: JoinSet<anyhow::Error>,
}

impl Crowd {
    /// Opens a socket for each of these users, and tells what comes on them.
    pub(crate) async fn open(
        server: &Serving,
        users: Range<usize>,
    ) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Arrived>)> {
        let expected = users.len();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let arrivals = Arc::new(arrivals);
        let mut opening = stream::iter(users)
            .map(|user| connect(server, user))
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

/// Returns when the stream is live.
async fn connect(server: &Serving, user: usize) -> anyhow::Result<Socket> {
    let token = tokio::task::spawn_blocking(move || session(&format!("user_{user}"))).await??;
    let mut request = format!("ws://{}/ws", server.address()).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    let stream = TcpStream::connect(server.address()).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    loop {
        if let Message::Text(text) = next(&mut socket).await?
            && serde_json::from_str::<Value>(&text)?["type"] == "live"
        {
            return Ok(socket);
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
        if let Ok(frame) = serde_json::from_str::<Value>(&text)
            && frame["type"] == "message.created"
            && let Some(event_id) = frame["data"]["message"]["matrixEventId"].as_str()
        {
            // Nobody listens for what idle users get, which is nothing.
            let event_id = event_id.to_owned();
            let _ = arrivals.send(Arrived { event_id, at });
        }
    }
}

async fn next(socket: &mut Socket) -> anyhow::Result<Message> {
    match socket.next().await {
        Some(Ok(Message::Close(close))) => bail!("closed: {close:?}"),
        Some(message) => Ok(message?),
        None => bail!("the connection ended"),
    }
}

//! A socket, as far as all of them are alike.

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::server::{Serving, session};

/// A user's socket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

/// What comes on it.
pub(crate) enum Received {
    /// Part of the stream.
    Frame(Frame),
    /// The stream is live from this cursor on.
    Live(String),
    /// The end, with its code if it had one.
    Closed(Option<u16>),
}

/// A frame of the stream.
pub(crate) struct Frame {
    pub(crate) cursor: String,
    /// Of a message that was created.
    pub(crate) event_id: Option<String>,
}

impl Socket {
    /// Opens one after a cursor, or at the head, whose kernel buffers so many bytes
    /// unread, if that is not left to the kernel.
    pub(crate) async fn open(
        server: &Serving,
        user: usize,
        since: Option<&str>,
        unread: Option<u32>,
    ) -> anyhow::Result<Self> {
        let since = since.map(|cursor| format!("?since={cursor}"));
        let url = format!("ws://{}/ws{}", server.address(), since.unwrap_or_default());
        let mut request = url.into_client_request()?;
        let token = session(&format!("user_{user}"))?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {token}").parse()?);
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = unread {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(server.address()).await?;
        stream.set_nodelay(true)?;
        Ok(Self(client_async(request, stream).await?.0))
    }

    /// Reads up to `live`, of which nothing is wanted; returns its cursor as well.
    pub(crate) async fn live(mut self) -> anyhow::Result<(Self, String)> {
        loop {
            match self.next().await? {
                Received::Live(cursor) => return Ok((self, cursor)),
                Received::Frame(_) => {}
                Received::Closed(code) => bail!("closed with {code:?}"),
            }
        }
    }

    pub(crate) fn port(&self) -> anyhow::Result<u16> {
        Ok(self.0.get_ref().local_addr()?.port())
    }

    pub(crate) async fn next(&mut self) -> anyhow::Result<Received> {
        loop {
            let text = match self.0.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(close))) => {
                    return Ok(Received::Closed(close.map(|close| close.code.into())));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Ok(Received::Closed(None)),
            };
            let frame: Value = serde_json::from_str(&text)?;
            let cursor = frame["cursor"].as_str().context("no cursor");
            match frame["type"].as_str() {
                Some("hello") => {}
                Some("live") => return Ok(Received::Live(cursor?.to_owned())),
                Some("resync") => bail!("the stream was lost"),
                _ => {
                    let message = &frame["data"]["message"];
                    let created = frame["type"] == "message.created";
                    return Ok(Received::Frame(Frame {
                        cursor: cursor?.to_owned(),
                        event_id: message["matrixEventId"]
                            .as_str()
                            .filter(|_| created)
                            .map(str::to_owned),
                    }));
                }
            }
        }
    }
}

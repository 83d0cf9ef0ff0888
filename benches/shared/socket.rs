//! A user's socket, at Tributary or at something like it.

use std::net::SocketAddr;

use anyhow::bail;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::server::session;

/// A header that names the user to a server that takes anybody's word.
pub(crate) const USER: &str = "x-bench-user";
const BUFFER: usize = 1024;

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Opens one, and returns when the stream is live.
pub(crate) async fn connect(to: SocketAddr, user: usize) -> anyhow::Result<Socket> {
    let user = format!("user_{user}");
    let named = user.clone();
    let token = tokio::task::spawn_blocking(move || session(&named)).await??;
    let mut request = format!("ws://{to}/ws").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    headers.insert(USER, user.parse()?);
    let stream = TcpStream::connect(to).await?;
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

/// What comes next; an error when it ends.
pub(crate) async fn next(socket: &mut Socket) -> anyhow::Result<Message> {
    match socket.next().await {
        Some(Ok(Message::Close(close))) => bail!("closed: {close:?}"),
        Some(message) => Ok(message?),
        None => bail!("the connection ended"),
    }
}

//! A client of `/ws` that remembers everything it ever received.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::stack::Stack;

pub(crate) type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// What a client of one Clerk user has seen.
pub(crate) struct Client {
    user_id: String,
    cursor: Option<String>,
    /// Every frame with a cursor, in order, over all connections.
    pub(crate) frames: Vec<Value>,
}

impl Client {
    pub(crate) fn new(user_id: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            cursor: None,
            frames: Vec::new(),
        }
    }

    /// Connects, resuming where it was, and reads until `enough` or until the
    /// connection breaks. Returns whether it was enough.
    pub(crate) async fn read_until(
        &mut self,
        stack: &Stack,
        enough: impl Fn(&[Value]) -> bool,
    ) -> bool {
        let Some(mut socket) = self.connect(stack).await else {
            return false;
        };
        while !enough(&self.frames) {
            let Some(Ok(message)) = socket.next().await else {
                return false;
            };
            if let Message::Text(text) = message {
                self.take(serde_json::from_str(&text).unwrap());
            }
        }
        // The other side may be gone already.
        let _ = socket.close(None).await;
        let _ = socket.flush().await;
        true
    }

    /// Connects, resuming where it was; none when it is refused or nobody is there.
    async fn connect(&self, stack: &Stack) -> Option<Socket> {
        let since = self
            .cursor
            .as_ref()
            .map(|c| format!("?since={c}"))
            .unwrap_or_default();
        let url = stack.url("/ws").replace("http", "ws") + &since;
        let mut request = url.into_client_request().unwrap();
        let token = stack.session_token(&self.user_id);
        let protocols = format!("tributary.v1, bearer.{token}");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.ok()?;
        Some(socket)
    }

    /// Connects and reads up to `live`.
    pub(crate) async fn open(&mut self, stack: &Stack) -> Socket {
        let mut socket = self.connect(stack).await.expect("a socket");
        loop {
            let Some(Ok(Message::Text(text))) = socket.next().await else {
                panic!("the socket ended before it was live")
            };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let live = frame["type"] == "live";
            self.take(frame);
            if live {
                return socket;
            }
        }
    }

    /// The code with which a socket was closed.
    pub(crate) async fn closed_with(mut socket: Socket) -> Option<u16> {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }

    fn take(&mut self, frame: Value) {
        assert_ne!(frame["type"], "resync", "the stream was lost");
        if let Some(cursor) = frame["cursor"].as_str() {
            self.cursor = Some(cursor.to_owned());
            self.frames.push(frame);
        }
    }

    /// The bodies of all messages it was told of, in order.
    pub(crate) fn bodies(&self) -> Vec<&str> {
        bodies(&self.frames)
    }
}

/// The bodies of the messages that were created, in order.
pub(crate) fn bodies(frames: &[Value]) -> Vec<&str> {
    frames
        .iter()
        .filter(|frame| frame["type"] == "message.created")
        .filter_map(|frame| frame["data"]["message"]["body"].as_str())
        .collect()
}

//! A server on loopback and a client that reads frame by frame.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        handshake::client::{Request, Response},
        protocol::CloseFrame,
    },
};
use tokio_util::sync::CancellationToken;
use tributary::{
    app::App,
    server::{self, Settings},
    ws::{self, Hub},
};

use super::world::World;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Socket buffers: small ones, so that a reader who stops is noticed soon.
const BUFFER: u32 = 8 * 1024;

/// The listener of a [`World`].
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Hub,
}

impl Server {
    pub(crate) fn start(world: &World) -> Self {
        Self::of(Arc::clone(&world.app))
    }

    pub(crate) fn of(app: Arc<App>) -> Self {
        Self::with(app, Hub::new())
    }

    /// With a hub that the test has made.
    pub(crate) fn with(app: Arc<App>, hub: Hub) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(BUFFER).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, following) = (app.clerk.ended().clone(), hub.clone());
        let stop = app.stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move { following.follow(&ended).await }));
        let router = ws::router(app, hub.clone());
        let (settings, stop) = (Settings::new(&[]), CancellationToken::new());
        tokio::spawn(server::serve(listener, router, settings, stop));
        Self { address, hub }
    }

    /// A handshake for `/ws` and this query.
    pub(crate) fn request(&self, query: &str) -> Request {
        let url = format!("ws://{}/ws{query}", self.address);
        url.into_client_request().unwrap()
    }

    /// A handshake for `/ws` with one more header.
    pub(crate) fn request_with(&self, query: &str, name: &'static str, value: &str) -> Request {
        let mut request = self.request(query);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    }

    /// Opens a socket of a user's.
    pub(crate) async fn open(&self, world: &World, user_id: &str, since: Option<&str>) -> Client {
        let since = since.map(|cursor| format!("?since={cursor}"));
        let query = since.unwrap_or_default();
        let bearer = format!("Bearer {}", world.token(user_id));
        let request = self.request_with(&query, "authorization", &bearer);
        self.handshake(request).await.unwrap().0
    }

    /// Opens a socket, and reads up to `live`.
    pub(crate) async fn live(&self, world: &World, user_id: &str) -> Client {
        let mut client = self.open(world, user_id, None).await;
        client.expect("hello").await;
        client.expect("live").await;
        client
    }

    pub(crate) async fn handshake(&self, request: Request) -> Result<(Client, Response), Refused> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, response)) => Ok((Client { socket }, response)),
            Err(Error::Http(response)) => Err(Refused {
                status: response.status().as_u16(),
                body: serde_json::from_slice(response.body().as_deref().unwrap_or_default())
                    .unwrap_or_default(),
            }),
            Err(error) => panic!("{error}"),
        }
    }
}

/// An answer that is no upgrade.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// The next frame, or the close instead of it.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame")
            {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next frame, which is of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await.unwrap();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The close code, whatever comes before it.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(close) = self.next().await {
                return close.map_or(1006, |frame| frame.code.into());
            }
        }
    }

    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Whether no frame but a `pong` comes: what was due before is there by then.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        self.say(r#"{"type":"ping"}"#).await;
        self.next().await.unwrap()["type"] == "pong"
    }
}

/// The cursor of a frame.
pub(crate) fn cursor(frame: &Value) -> String {
    frame["cursor"].as_str().expect("a cursor").to_owned()
}

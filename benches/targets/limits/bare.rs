//! The yardstick: parse, insert, answer, send a frame. Nobody could do it with less.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        State,
        ws::{Message, Utf8Bytes, WebSocketUpgrade},
    },
    response::Response,
    routing::{get, put},
    serve::ListenerExt as _,
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_postgres::{Client, Statement};

use crate::{
    shared::{events::Shape, scratch::connect},
    socket::USER,
};

const TABLE: &str = "CREATE SCHEMA IF NOT EXISTS bare; CREATE TABLE IF NOT EXISTS bare.messages (
    room_id text NOT NULL, event_id text NOT NULL, sender text NOT NULL, type text NOT NULL,
    origin_server_ts bigint NOT NULL, content jsonb NOT NULL, PRIMARY KEY (event_id, room_id))";
const INSERT: &str = "INSERT INTO bare.messages
    SELECT e.room_id, e.id, e.sender, e.type, e.ts, e.content::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
         AS e(room_id, id, sender, type, ts, content)";

#[derive(Deserialize)]
struct Transaction<'a> {
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "event_id")]
    id: &'a str,
    room_id: &'a str,
    sender: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    origin_server_ts: i64,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// As much as a client needs.
#[derive(Serialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    message: Shown<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    matrix_event_id: &'a str,
    room_id: &'a str,
    sender: &'a str,
    timestamp: i64,
    content: &'a RawValue,
}

/// Sockets' queues by user.
type Sockets = HashMap<String, Vec<mpsc::UnboundedSender<Utf8Bytes>>>;

struct Bare {
    insert: Option<(Client, Statement)>,
    /// Whose a chat is.
    customers: HashMap<String, String>,
    sockets: Mutex<Sockets>,
}

type Serving = JoinHandle<Result<(), std::io::Error>>;

/// Serves on a free port.
pub(crate) async fn start(
    database: Option<SecretString>,
) -> anyhow::Result<(
    SocketAddr,
    impl Future<Output = anyhow::Result<anyhow::Result<()>>>,
)> {
    let insert = match database {
        Some(url) => {
            let client = connect(url.expose_secret()).await?;
            client.batch_execute(TABLE).await?;
            let insert = client.prepare(INSERT).await?;
            Some((client, insert))
        }
        None => None,
    };
    let shape = Shape::default();
    let chats = shape.chats().enumerate();
    let bare = Bare {
        insert,
        customers: chats
            .map(|(number, chat)| (chat.room_id, format!("user_{}", number % shape.customers)))
            .collect(),
        sockets: Mutex::default(),
    };
    let router = Router::new()
        .route("/_matrix/app/v1/transactions/{id}", put(push))
        .route("/ws", get(socket))
        .with_state(Arc::new(bare));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let serving: Serving = tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, async { Ok(Ok(serving.await??)) }))
}

async fn push(State(bare): State<Arc<Bare>>, body: Bytes) -> Result<Json<Value>, StatusCode> {
    let transaction: Transaction<'_> =
        serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    insert(&bare, &transaction.events)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    for event in &transaction.events {
        bare.tell(event);
    }
    Ok(Json(json!({})))
}

async fn insert(bare: &Bare, events: &[Event<'_>]) -> anyhow::Result<()> {
    let Some((client, statement)) = &bare.insert else {
        return Ok(());
    };
    let text = |of: fn(&Event<'_>) -> String| events.iter().map(of).collect::<Vec<_>>();
    let (rooms, ids) = (text(|e| e.room_id.into()), text(|e| e.id.into()));
    let (senders, kinds) = (text(|e| e.sender.into()), text(|e| e.kind.into()));
    let contents: Vec<_> = events.iter().map(|e| e.content.get()).collect();
    let times: Vec<_> = events.iter().map(|e| e.origin_server_ts).collect();
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&rooms, &ids, &senders, &kinds, &times, &contents];
    client.execute(statement, &columns).await?;
    Ok(())
}

impl Bare {
    fn join(&self, user: String, queue: mpsc::UnboundedSender<Utf8Bytes>) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.entry(user).or_default().push(queue);
    }

    /// Puts an event into the queues of those whose room it is; of one that is nobody's
    /// chat, of everybody.
    fn tell(&self, event: &Event<'_>) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.is_empty() {
            return;
        }
        let is_new = event.kind == "m.room.message" && !event.content.get().contains("m.replace");
        let frame = Frame {
            kind: if is_new {
                "message.created"
            } else {
                "message.updated"
            },
            data: Data {
                message: Shown {
                    matrix_event_id: event.id,
                    room_id: event.room_id,
                    sender: event.sender,
                    timestamp: event.origin_server_ts,
                    content: event.content,
                },
            },
        };
        let Ok(frame) = serde_json::to_string(&frame) else {
            return;
        };
        let frame = Utf8Bytes::from(frame);
        let customer = self.customers.get(event.room_id);
        for (user, queues) in sockets.iter_mut() {
            if customer.is_none_or(|customer| customer == user) {
                queues.retain(|queue| queue.send(frame.clone()).is_ok());
            }
        }
    }
}

async fn socket(
    State(bare): State<Arc<Bare>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let user = headers.get(USER).and_then(|user| user.to_str().ok());
    let user = user.unwrap_or_default().to_owned();
    upgrade.on_upgrade(async move |socket| {
        let (mut sink, mut incoming) = socket.split();
        let (queue, mut queued) = mpsc::unbounded_channel();
        let _ = queue.send(Utf8Bytes::from_static(r#"{"type":"live"}"#));
        bare.join(user, queue);
        tokio::spawn(async move { while let Some(Ok(_)) = incoming.next().await {} });
        while let Some(frame) = queued.recv().await {
            let mut next = Some(frame);
            while let Some(frame) = next {
                if sink.feed(Message::Text(frame)).await.is_err() {
                    return;
                }
                next = queued.try_recv().ok();
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    })
}

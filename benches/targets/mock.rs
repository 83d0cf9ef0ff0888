//! A homeserver that has histories in memory, and nothing else.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper::{StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::shared::events::{Events, Shape};

/// Events of a page, which are what a backfill asks for at once.
pub(crate) const OF_EACH: usize = 500;

/// Pages of each room, the newest first.
pub(crate) type Histories = HashMap<String, Vec<Bytes>>;

#[derive(Deserialize)]
struct Asked {
    from: Option<usize>,
}

/// Serves until it is dropped.
pub(crate) struct Mock {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Mock {
    pub(crate) async fn start(histories: Arc<Histories>) -> anyhow::Result<Self> {
        let router = Router::new()
            .route("/_matrix/client/v3/rooms/{room}/messages", get(messages))
            .with_state(histories);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, serving })
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn messages(
    State(histories): State<Arc<Histories>>,
    Path(room): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let page = histories
        .get(&room)
        .and_then(|pages| pages.get(asked.from.unwrap_or(0)));
    match page {
        Some(page) => ([(CONTENT_TYPE, "application/json")], page.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// So many pages of each room of a shape.
pub(crate) fn histories(shape: Shape, pages: usize) -> Histories {
    let mut events = Events::new(shape);
    let mut rooms: HashMap<String, Vec<Value>> = HashMap::new();
    let full = pages * OF_EACH;
    // Rooms are taken at random: the last ones are full when the first ones have far more.
    while rooms.len() < shape.rooms || rooms.values().any(|room| room.len() < full) {
        let event = events.event();
        let room_id = event["room_id"].as_str().unwrap_or_default().to_owned();
        let room = rooms.entry(room_id).or_default();
        if room.len() < full {
            room.push(event);
        }
    }
    let bodies = |room: Vec<Value>| {
        let newest_first: Vec<_> = room.into_iter().rev().collect();
        let pages = newest_first.chunks(OF_EACH).enumerate();
        pages
            .map(|(nth, chunk)| body(nth, pages_of(&newest_first), chunk))
            .collect()
    };
    rooms
        .into_iter()
        .map(|(id, room)| (id, bodies(room)))
        .collect()
}

fn pages_of(room: &[Value]) -> usize {
    room.len().div_ceil(OF_EACH)
}

fn body(nth: usize, pages: usize, chunk: &[Value]) -> Bytes {
    let mut body = json!({ "chunk": chunk, "start": nth.to_string(), "state": [] });
    if nth + 1 < pages {
        body["end"] = (nth + 1).to_string().into();
    }
    Bytes::from(body.to_string())
}

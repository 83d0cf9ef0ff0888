//! A web page whose connection breaks all the time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use rand::{Rng as _, rngs::StdRng};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use tributary::stream::cursor::Cursor;
use uuid::Uuid;

use super::fleet::{Fleet, REPLICAS, token};

/// Frames on one connection, at most.
const LONGEST: usize = 400;
/// A replica that was killed says nothing; one that is busy says something within this, or
/// nobody would come further.
const SILENCE: Duration = Duration::from_secs(2);

pub(super) struct Reader {
    pub(super) fleet: Arc<Fleet>,
    pub(super) user_id: String,
    pub(super) random: StdRng,
    pub(super) received: Arc<AtomicU64>,
    /// Where every stream ends, once nobody writes any more.
    pub(super) end: watch::Receiver<Option<HashMap<String, i64>>>,
}

/// A frame with a position of its own.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) position: i64,
    pub(super) kind: String,
    pub(super) message: Option<Shown>,
}

/// A message as it was when the frame was sent.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) id: Uuid,
    /// None for one that is redacted.
    pub(super) body: Option<String>,
}

impl Shown {
    fn of(message: &Value) -> Self {
        let is_there = message["deletedAt"].is_null();
        Self {
            id: message["id"].as_str().unwrap().parse().unwrap(),
            body: message["body"]
                .as_str()
                .filter(|_| is_there)
                .map(str::to_owned),
        }
    }
}

impl Reader {
    /// Reads to the end of the stream, over as many connections as that takes.
    pub(super) async fn read(mut self) -> (String, Vec<Received>) {
        let mut cursor = None;
        let mut received: Vec<Received> = Vec::new();
        while !self.is_through(&received) {
            self.connection(&mut cursor, &mut received).await;
        }
        (self.user_id, received)
    }

    fn is_through(&self, received: &[Received]) -> bool {
        let position = received.last().map_or(0, |frame| frame.position);
        let end = self.end.borrow();
        let head = end.as_ref().map(|heads| heads[&self.user_id]);
        head.is_some_and(|head| position >= head)
    }

    /// One connection, until it breaks or has been long enough.
    async fn connection(&mut self, cursor: &mut Option<String>, received: &mut Vec<Received>) {
        let replica = self.fleet.address(self.random.random_range(0..REPLICAS));
        // From the very beginning, not from now on.
        let origin = || self.fleet.origin(&self.user_id);
        let since = cursor.clone().unwrap_or_else(origin);
        let url = format!("ws://{replica}/ws?since={since}");
        let mut request = url.into_client_request().unwrap();
        let protocols = format!("tributary.v1, bearer.{}", token(&self.user_id));
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else {
            // Nobody is there; perhaps the other one is.
            return tokio::task::yield_now().await;
        };
        let mut left = self.random.random_range(1..LONGEST);
        while left > 0 && !self.is_through(received) {
            let Ok(Some(Ok(message))) = timeout(SILENCE, socket.next()).await else {
                return;
            };
            if let Message::Text(text) = message {
                left -= 1;
                let frame = serde_json::from_str(&text).unwrap();
                self.take(&frame, cursor, received);
            }
        }
        // Gone without a word, as a phone in a tunnel is.
    }

    fn take(&self, frame: &Value, cursor: &mut Option<String>, received: &mut Vec<Received>) {
        let kind = frame["type"].as_str().unwrap();
        assert_ne!(kind, "resync", "{frame}");
        let Some(text) = frame["cursor"].as_str() else {
            return;
        };
        let position = Cursor::parse(text).unwrap().position;
        *cursor = Some(text.to_owned());
        if matches!(kind, "hello" | "live") {
            return;
        }
        received.push(Received {
            position,
            kind: kind.to_owned(),
            message: frame["data"].get("message").map(Shown::of),
        });
        self.received.fetch_add(1, Ordering::Relaxed);
    }
}

//! Who waits for messages: a reader of Tributary's socket, and one of Synapse's `/sync`.

use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::stack::{MatrixUser, Stack};

/// A message that has come, and when all of it was there.
pub(super) struct Heard {
    pub(super) body: String,
    pub(super) at: Instant,
}

/// Reads a socket until it ends.
pub(super) fn read(
    mut frames: impl Stream<Item = Result<Message, Error>> + Unpin + Send + 'static,
) -> UnboundedReceiver<Heard> {
    let (teller, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = frames.next().await {
            let at = Instant::now();
            let Message::Text(text) = message else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == "message.created" {
                tell(&teller, &frame["data"]["message"]["body"], at);
            }
        }
    });
    heard
}

/// Polls `/sync` as a Matrix client does, from now on until nobody hears it.
pub(super) async fn long_poll(stack: &Stack, user: &MatrixUser) -> UnboundedReceiver<Heard> {
    let (teller, heard) = mpsc::unbounded_channel();
    let url = format!("{}/_matrix/client/v3/sync", stack.fact("/synapse_url"));
    let (http, token) = (stack.http.clone(), user.access_token.clone());
    let poll = async move |since: Option<&str>| {
        let request = match since {
            Some(since) => http.get(format!("{url}?timeout=20000&since={since}")),
            None => http.get(&url),
        };
        let request = request.bearer_auth(&token).timeout(Duration::from_mins(1));
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        let answer = answer.bytes().await.unwrap();
        let at = Instant::now();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let since = answer["next_batch"].as_str().unwrap().to_owned();
        (answer, since, at)
    };
    let (_, mut since, _) = poll(None).await;
    tokio::spawn(async move {
        while !teller.is_closed() {
            let (answer, next, at) = poll(Some(&since)).await;
            since = next;
            let rooms = answer["rooms"]["join"].as_object();
            let rooms = rooms.into_iter().flat_map(|rooms| rooms.values());
            let events = rooms.filter_map(|room| room["timeline"]["events"].as_array());
            for event in events.flatten() {
                tell(&teller, &event["content"]["body"], at);
            }
        }
    });
    heard
}

fn tell(teller: &mpsc::UnboundedSender<Heard>, body: &Value, at: Instant) {
    if let Some(body) = body.as_str() {
        let body = body.to_owned();
        // Nobody hears it any more when the test is over.
        let _ = teller.send(Heard { body, at });
    }
}

//! How long a message takes from its push to a socket, and who is faster: the socket or a
//! Matrix client of the same person. Figures are printed and never asserted; the command is
//! in `benches/README.md`.

mod figures;
mod peers;
mod tap;

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use self::{
    figures::{Figures, Measured},
    peers::Heard,
    tap::Tap,
};
use crate::{
    people::{conversations, customer},
    socket::Client,
    stack::Stack,
};

/// How many messages, unless `TRIBUTARY_TEST_LATENCY` says otherwise.
const MESSAGES: usize = 50;
/// A session token lives a minute.
const RENEWED_EVERY: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn every_message_reaches_a_socket_and_a_long_poll() {
    let wanted = std::env::var("TRIBUTARY_TEST_LATENCY");
    let messages = wanted.map_or(MESSAGES, |number| number.parse().expect("a number"));
    // To log all that happens is a work of its own.
    let stack = Stack::start_anew(&[("LOG__FILTER", "info")]).await;
    let tap = Tap::before(&stack.url("")).await;
    stack.point_switch_at(tap.url()).await;

    let laura = customer(&stack, "laura", "16", true).await;
    let friend = format!("17{}", laura.remote_id);
    let chat = json!({"remoteId": laura.remote_id, "chatId": friend, "type": "dm",
                      "members": [{"id": friend, "name": "Friend"}]});
    stack.remote("/chat", chat).await;
    stack
        .eventually("the chat is mapped", async || {
            (conversations(&stack, &laura).await.len() == 1).then_some(())
        })
        .await;
    let socket = Client::new(&laura.clerk).open(&stack).await;
    let (mut say, stream) = socket.split();
    let mut renewed_at = Instant::now();
    let mut at_socket = peers::read(stream);
    let mut at_long_poll = peers::long_poll(&stack, &laura.user).await;

    let mut figures = Figures::default();
    for nth in 0..messages {
        if renewed_at.elapsed() > RENEWED_EVERY {
            renewed_at = Instant::now();
            let auth = json!({"type": "auth", "token": stack.session_token(&laura.clerk)});
            say.send(Message::text(auth.to_string())).await.unwrap();
        }
        let text = format!("latency {nth} of {messages}");
        let message = json!({"remoteId": laura.remote_id, "chatId": friend, "senderId": friend,
                             "text": text});
        stack.remote("/message", message).await;
        let (framed, synced) =
            tokio::join!(when(&mut at_socket, &text), when(&mut at_long_poll, &text));
        figures.add(Measured {
            pushed: tap.heard(&text),
            framed,
            synced,
        });
    }
    figures.print();
}

/// When a message came; whoever waits for it waits for nothing else.
async fn when(heard: &mut mpsc::UnboundedReceiver<Heard>, text: &str) -> Instant {
    let patience = Duration::from_mins(1);
    loop {
        let next = timeout(patience, heard.recv()).await;
        let next = next.unwrap_or_else(|_| panic!("in vain: {text}"));
        let Heard { body, at } = next.expect("a connection that stays");
        if body == text {
            return at;
        }
    }
}

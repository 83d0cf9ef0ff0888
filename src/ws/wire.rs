//! The socket itself: both directions in one task, neither of which can block the other.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _, stream::FusedStream as _};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite;

use super::close::Close;
use crate::limits::Received;

/// How long a peer may take to answer a close.
const GOODBYE: Duration = Duration::from_secs(30);
/// How long the connection stays after a close that nobody can answer any more:
/// ending it at once could overtake the close frame.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that may come without ending a message: what clients say is shorter. Fragments
/// cost as much as messages, and one can go on for ever.
pub(super) const UNFINISHED: u64 = 16 * 1024;

/// A socket with what waits to be sent on it.
pub(super) struct Wire {
    /// Boxed, since the task of a socket keeps room for every place that a wire is moved to.
    socket: Box<WebSocket>,
    /// Pings and answers: they overtake data.
    answers: VecDeque<Message>,
    /// Everything that has an order.
    data: VecDeque<Utf8Bytes>,
    /// Whether data waits, since the token expired.
    pub(super) paused: bool,
    /// Something was handed over that is not flushed.
    unflushed: bool,
    /// Whether the last try to write found the peer not reading.
    blocked: bool,
    /// When the peer last gave a sign of life: sent something, or made room.
    heard_at: Instant,
    /// What the connection has brought,
    received: Received,
    /// and how much of it is accounted for.
    counted: u64,
}

/// What came of waiting.
#[derive(Debug)]
pub(super) enum Turn {
    /// A frame from the peer.
    Received(Message),
    /// [`UNFINISHED`] more bytes from the peer that are no whole message.
    Unfinished,
    /// All that could be sent is sent.
    Drained,
    /// The peer is gone, or breaks the protocol, which wants a [`Close`].
    Gone(Option<Close>),
}

impl Wire {
    pub(super) fn new(socket: WebSocket, received: Received) -> Self {
        Self {
            socket: Box::new(socket),
            answers: VecDeque::new(),
            data: VecDeque::new(),
            paused: false,
            unflushed: false,
            blocked: false,
            heard_at: Instant::now(),
            counted: received.total(),
            received,
        }
    }

    /// Sends a frame after all others.
    pub(super) fn send(&mut self, frame: impl Into<Utf8Bytes>) {
        self.data.push_back(frame.into());
    }

    /// Sends a frame before all data.
    pub(super) fn answer(&mut self, message: Message) {
        self.answers.push_back(message);
    }

    /// How many frames wait, answers included.
    pub(super) fn waiting(&self) -> usize {
        self.data.len() + self.answers.len()
    }

    /// Whether the peer does not read.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// When the peer last gave a sign of life.
    pub(super) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// Whether there is no data to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.data.is_empty() && !self.blocked
    }

    /// Writes and reads until something comes of it. Nothing is lost when the
    /// future is dropped: what waits, waits in here.
    pub(super) async fn turn(&mut self) -> Turn {
        std::future::poll_fn(|cx| self.poll_turn(cx)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(true)) => return Poll::Ready(Turn::Drained),
            // Whoever cannot be written to may still have said why.
            Poll::Ready(Err(_)) if self.socket.is_terminated() => {
                return Poll::Ready(Turn::Gone(None));
            }
            _ => {}
        }
        if self.socket.is_terminated() {
            return Poll::Pending;
        }
        match self.socket.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(message))) => {
                self.heard_at = Instant::now();
                self.counted = self.received.total();
                Poll::Ready(Turn::Received(message))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Turn::Gone(broken(error))),
            Poll::Ready(None) => Poll::Ready(Turn::Gone(None)),
            Poll::Pending if self.received.total() - self.counted >= UNFINISHED => {
                // What was read of it has been looked at; whoever asks is polled again.
                self.counted += UNFINISHED;
                Poll::Ready(Turn::Unfinished)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready with true when something was sent and all of it is flushed; with
    /// false when there is nothing to do.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, axum::Error>> {
        loop {
            let has_next = !self.answers.is_empty() || (!self.paused && !self.data.is_empty());
            let polled = if has_next {
                self.socket.poll_ready_unpin(cx)
            } else if self.unflushed {
                self.socket.poll_flush_unpin(cx)
            } else {
                return Poll::Ready(Ok(false));
            };
            let Poll::Ready(result) = polled else {
                self.blocked = true;
                return Poll::Pending;
            };
            if std::mem::take(&mut self.blocked) {
                self.heard_at = Instant::now();
            }
            result?;
            if !has_next {
                self.unflushed = false;
                return Poll::Ready(Ok(true));
            }
            let next = self
                .answers
                .pop_front()
                .or_else(|| self.data.pop_front().map(Message::Text));
            if let Some(message) = next {
                self.unflushed = true;
                self.socket.start_send_unpin(message)?;
            }
        }
    }

    /// Closes from this side: what waits is dropped, the peer gets the code and the
    /// time to answer.
    pub(super) async fn close(mut self, close: Close) {
        self.data.clear();
        self.answers.clear();
        self.answer(Message::Close(Some(close.into())));
        self.end().await;
    }

    /// Waits for the end of a connection that the peer closes.
    pub(super) async fn end(mut self) {
        let farewell = async {
            loop {
                match self.turn().await {
                    Turn::Gone(_) => break,
                    Turn::Drained if self.socket.is_terminated() => break sleep(LINGER).await,
                    Turn::Drained | Turn::Received(_) | Turn::Unfinished => {}
                }
            }
        };
        let _ = timeout(GOODBYE, farewell).await;
    }
}

/// What a broken connection calls for: nothing, if the peer just went away.
fn broken(error: axum::Error) -> Option<Close> {
    use tungstenite::Error as E;
    match *error.into_inner().downcast::<E>().ok()? {
        E::Capacity(_) => Some(Close::TooLong),
        E::Utf8(_) => Some(Close::NotUtf8),
        E::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        E::Protocol(_) => Some(Close::Broken),
        _ => None,
    }
}

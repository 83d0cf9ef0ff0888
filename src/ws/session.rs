//! One socket, from hello to close.
//!
//! Frames are pulled from the database in small batches as the socket takes them, but for
//! what was read along with its commit a moment ago, so what a socket keeps in memory is bounded
//! by a batch however far it lags.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::Message;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{
    allowance::Allowance,
    close::Close,
    hub::Seat,
    lifetime::{Lifetime, Phase},
    protocol::{ClientFrame, Event, MAX_CLIENT_FRAME, Reason, ServerFrame},
    pull::{Pulled, measure, render_shown},
    pulls::{Outcome, Part, Pull, Pulls},
    resume::Start,
    wire::{Turn, Wire},
};
use crate::{
    app::App,
    auth::clerk::{self, KEYS_UNAVAILABLE, Refusal},
    meters::meters,
    model::transient::Transient,
    stream::{AtHand, Rendered, Subscription, cursor::Cursor},
};

/// Frames rendered at once.
const BATCH: usize = 64;
/// How long more than `max_queue` frames may wait for a peer that does not read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts to read the database.
const RETRY: Duration = Duration::from_secs(1);

/// What a socket begins with.
pub(super) struct Opening {
    pub(super) app: Arc<App>,
    pub(super) pulls: Pulls,
    pub(super) session: clerk::Session,
    /// Made before the head was read: what is committed since is not missed.
    pub(super) subscription: Subscription,
    pub(super) epoch: Uuid,
    pub(super) start: Start,
    /// The last position when the socket was opened.
    pub(super) head: i64,
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// From this side.
    Close(Close),
    /// The peer says goodbye.
    Goodbye,
    /// The connection is gone.
    Gone,
}

struct Session {
    app: Arc<App>,
    pulls: Pulls,
    identity: clerk::Session,
    subscription: Subscription,
    epoch: Uuid,
    wire: Wire,
    life: Lifetime,
    /// The last position that was rendered.
    position: i64,
    /// The last position known.
    head: i64,
    /// `live` is due once this position is reached.
    live_at: Option<i64>,
    pulling: Option<Pull>,
    /// Not to be pulled before.
    retry_at: Option<Instant>,
    ping_at: Instant,
    /// Since when too many frames wait.
    behind_since: Option<Instant>,
    /// How many frames the client may still send.
    allowance: Allowance,
}

/// Serves a socket until it is closed.
pub(super) async fn serve(wire: Wire, opening: Opening, mut seat: Seat) {
    let stop = opening.app.stop.clone();
    // It has its seat: whoever ends from now on is closed by the hub.
    let is_over = opening.app.clerk.ended().covers(&opening.session);
    let mut session = Session::new(wire, opening);
    let end = if is_over {
        End::Close(Close::Revoked)
    } else {
        tokio::select! {
            end = session.run() => end,
            () = stop.cancelled() => End::Close(Close::Restarting),
            Ok(close) = &mut seat.closed => End::Close(close),
        }
    };
    tracing::debug!(
        user_id = session.identity.user_id,
        session_id = session.identity.session_id,
        ?end,
        "a socket ended"
    );
    // Whoever takes its time to say goodbye takes no seat, and no connection to the database.
    let wire = session.into_wire();
    drop(seat);
    match end {
        End::Close(close) => {
            let code = close.code().to_string();
            meters().websocket_closes.of(&code).increment(1);
            wire.close(close).await;
        }
        End::Goodbye => wire.end().await,
        End::Gone => {}
    }
}

impl Session {
    fn new(wire: Wire, opening: Opening) -> Self {
        let config = &opening.app.config;
        let life = Lifetime::new(
            opening.session.expires_at,
            config.clerk.clock_skew_seconds,
            config.websocket.auth_grace_seconds,
        );
        let position = match opening.start {
            Start::After(position) => position,
            Start::Head | Start::Resync(_) => opening.head,
        };
        let mut session = Self {
            wire,
            life,
            position,
            head: opening.head,
            live_at: Some(opening.head),
            pulling: None,
            retry_at: None,
            ping_at: Instant::now(),
            behind_since: None,
            allowance: Allowance::new(Instant::now()),
            app: opening.app,
            pulls: opening.pulls,
            identity: opening.session,
            subscription: opening.subscription,
            epoch: opening.epoch,
        };
        session.ping_at += session.heartbeat();
        session.greet(opening.start);
        session
    }

    /// What is left of it to say goodbye; what it was about to read is let go of.
    fn into_wire(self) -> Wire {
        self.wire
    }

    fn greet(&mut self, start: Start) {
        let hello = Event::Hello {
            session_id: self.identity.session_id.clone(),
            heartbeat_seconds: self.app.config.websocket.heartbeat_seconds,
            resumed: matches!(start, Start::After(_)),
        };
        match start {
            Start::Head | Start::After(_) => self.say(hello),
            Start::Resync(reason) => {
                // No cursor: to go on from the head without having reloaded is to lose frames.
                self.send(&ServerFrame::passing(hello, self.app.clock.now()));
                self.resync(reason);
            }
        }
    }

    async fn run(&mut self) -> End {
        loop {
            if let Some(close) = self.judge() {
                return End::Close(close);
            }
            self.go_on();
            let wake_at = self.wake_at();
            tokio::select! {
                turn = self.wire.turn() => {
                    if let Some(end) = self.heard(turn).await {
                        return end;
                    }
                }
                pulled = pending_or(&mut self.pulling) => {
                    self.pulling = None;
                    self.pulled(&pulled);
                }
                Ok(()) = self.subscription.head.changed() => {}
                transient = self.subscription.transients.take() => self.pass(&transient),
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Looks at the database's epoch, the clocks and the queue; whether that ends the socket.
    fn judge(&mut self) -> Option<Close> {
        let known = self.subscription.head.borrow_and_update().position;
        self.head = self.head.max(known);
        let phase = self.life.phase(self.app.clock.now());
        self.wire.paused = phase != Phase::Valid;
        if phase == Phase::Over {
            return Some(Close::Expired);
        }
        if !self.subscription.is_of(self.epoch) {
            // A backup was restored: its positions are others than this socket's.
            return Some(Close::Restarting);
        }
        let now = Instant::now();
        let silent = now.saturating_duration_since(self.wire.heard_at());
        if silent > self.heartbeat() * 5 / 2 || self.is_too_slow(now) {
            return Some(Close::TooSlow);
        }
        None
    }

    /// Too slow is who leaves more than `max_queue` frames waiting for a while and
    /// does not read. Who reads a replay, or catches up with a burst, is not; nor is
    /// whose token makes the data wait.
    fn is_too_slow(&mut self, now: Instant) -> bool {
        let max_queue = self.app.config.websocket.max_queue;
        // Only answers can pile up so far: data comes in batches.
        if self.wire.waiting() > max_queue.saturating_add(BATCH) {
            return true;
        }
        let unread = usize::try_from(self.head - self.position).unwrap_or(0);
        let is_behind = self.live_at.is_none()
            && !self.wire.paused
            && self.wire.waiting().saturating_add(unread) > max_queue;
        if !is_behind {
            self.behind_since = None;
            return false;
        }
        let since = *self.behind_since.get_or_insert(now);
        self.wire.is_blocked() && now.saturating_duration_since(since) >= PATIENCE
    }

    /// Starts what is due: a ping, `live`, the next batch.
    fn go_on(&mut self) {
        let now = Instant::now();
        if now >= self.ping_at {
            self.ping_at = now + self.heartbeat();
            self.wire.answer(Message::Ping(bytes::Bytes::new()));
        }
        if self.live_at.is_some_and(|live_at| self.position >= live_at) {
            self.live_at = None;
            self.say(Event::Live {});
        }
        let may_pull =
            self.pulling.is_none() && self.retry_at.is_none_or(|at| now >= at) && !self.wire.paused;
        if may_pull && self.wire.is_idle() && self.head > self.position {
            self.retry_at = None;
            self.take_next_batch();
        }
    }

    /// Sends it, where it was read along with its commit, and else begins to read it. What is
    /// replayed, or followed by something else, is always read: it may have been redacted since.
    fn take_next_batch(&mut self) {
        let limit = BATCH.min(self.app.config.websocket.max_queue.max(1));
        let part = Part {
            user_id: self.identity.user_id.clone(),
            epoch: self.epoch,
            position: self.position,
            limit,
        };
        let tip = self.subscription.head.borrow();
        let at_hand = tip.after(self.position, std::time::Instant::now());
        drop(tip);
        let at_hand = at_hand.filter(|all| all.entries.len() <= limit);
        if let Some(AtHand {
            entries,
            fresh: Some(fresh),
        }) = &at_hand
            && let Some(last) = entries.last()
            && self.live_at.is_none()
            && last.position >= self.head
            && let Some(frames) =
                fresh.rendered(self.epoch, |shown| render_shown(&part, entries, shown))
        {
            self.position = last.position;
            self.hand_over(frames);
        } else {
            let entries = at_hand.map(|all| all.entries);
            self.pulling = Some(self.pulls.of(&self.app, part, entries));
        }
    }

    fn pulled(&mut self, pulled: &Outcome) {
        if self.wire.paused {
            // It would be old when it may go out: it is read again then.
            return;
        }
        match pulled.as_deref() {
            Ok(&Pulled::Frames(ref frames, reached)) => {
                if reached == self.position {
                    // The head is ahead of what can be read: not a reason to spin.
                    self.retry_at = Some(Instant::now() + RETRY);
                }
                self.position = reached;
                self.hand_over(frames);
            }
            Ok(&Pulled::Pruned(head)) => {
                self.position = head;
                self.head = self.head.max(head);
                self.resync(Reason::Expired);
            }
            Err(error) => {
                tracing::warn!(%error, "a socket waits for the database");
                self.retry_at = Some(Instant::now() + RETRY);
            }
        }
    }

    /// Frames of the stream, up to the position that was reached.
    fn hand_over(&mut self, frames: &[Rendered]) {
        let is_live = self.live_at.is_none();
        let when = if is_live { "live" } else { "replay" };
        meters().frames.of(when).increment(frames.len() as u64);
        let now = self.app.clock.now();
        for frame in frames {
            if is_live {
                measure(frame, now);
            }
            self.wire.send(frame.text.clone());
        }
    }

    fn resync(&mut self, reason: Reason) {
        meters().websocket_resyncs.of(reason.word()).increment(1);
        self.say(Event::Resync { reason });
    }

    /// Typing and receipts are worth something now or never.
    fn pass(&mut self, transient: &Transient) {
        if self.live_at.is_none()
            // What was rendered a moment ago and is not handed over yet is no backlog.
            && !self.wire.is_blocked()
            && !self.wire.paused
        {
            let event = Event::from(&transient.kind);
            meters().frames.of("passing").increment(1);
            self.send(&ServerFrame::passing(event, self.app.clock.now()));
        }
    }

    async fn heard(&mut self, turn: Turn) -> Option<End> {
        let message = match turn {
            Turn::Gone(close) => return Some(close.map_or(End::Gone, End::Close)),
            Turn::Received(Message::Close(_)) => return Some(End::Goodbye),
            Turn::Received(_) | Turn::Unfinished if !self.allowance.take(Instant::now()) => {
                return Some(End::Close(Close::TooMuch));
            }
            Turn::Drained | Turn::Unfinished => return None,
            Turn::Received(message) => message,
        };
        let close = match message {
            Message::Text(text) if text.len() > MAX_CLIENT_FRAME => Close::TooLong,
            Message::Binary(bytes) if bytes.len() > MAX_CLIENT_FRAME => Close::TooLong,
            Message::Text(text) => return self.obey(&text).await.map(End::Close),
            Message::Binary(_) => Close::Malformed,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return None,
        };
        Some(End::Close(close))
    }

    async fn obey(&mut self, text: &str) -> Option<Close> {
        match ClientFrame::parse(text) {
            Some(ClientFrame::Ping {}) => self.answer(Event::Pong {}),
            Some(ClientFrame::Auth { token }) => return self.renew(&token).await,
            None => return Some(Close::Malformed),
        }
        None
    }

    async fn renew(&mut self, token: &SecretString) -> Option<Close> {
        let renewed = match self.app.clerk.verify(token.expose_secret()).await {
            Ok(renewed) => renewed,
            // Not the token's fault: the client may try again.
            Err(Refusal::Unauthorized(KEYS_UNAVAILABLE)) => return None,
            Err(_) => return Some(Close::NotRenewed),
        };
        let is_same = renewed.user_id == self.identity.user_id
            && renewed.session_id == self.identity.session_id;
        if !is_same {
            return Some(Close::NotRenewed);
        }
        let expires_at = self.life.renew(renewed.expires_at);
        self.answer(Event::Authed { expires_at });
        None
    }

    /// Sends a frame with the cursor of the present position.
    fn say(&mut self, event: Event) {
        let cursor = Cursor::new(self.epoch, &self.identity.user_id, self.position);
        self.send(&ServerFrame {
            event,
            cursor: Some(cursor.to_string()),
            at: self.app.clock.now(),
        });
    }

    fn send(&mut self, frame: &ServerFrame) {
        if let Ok(text) = serde_json::to_string(frame) {
            self.wire.send(text);
        }
    }

    fn answer(&mut self, event: Event) {
        let frame = ServerFrame::passing(event, self.app.clock.now());
        if let Ok(text) = serde_json::to_string(&frame) {
            self.wire.answer(Message::Text(text.into()));
        }
    }

    fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.app.config.websocket.heartbeat_seconds.max(1))
    }

    /// When the clocks have to be looked at again.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let token = self.life.until_change(self.app.clock.now());
        let token = token.map(|left| now + left.min(self.heartbeat()));
        let slow = self.behind_since.map(|since| {
            // Still not blocked then: it reads, and is looked at again soon.
            (since + PATIENCE).max(now + PATIENCE / 10)
        });
        [token, slow, self.retry_at]
            .into_iter()
            .flatten()
            .fold(self.ping_at, Instant::min)
    }
}

/// The future, or none for ever.
async fn pending_or(pulling: &mut Option<Pull>) -> Outcome {
    match pulling {
        Some(pulling) => pulling.await,
        None => std::future::pending().await,
    }
}

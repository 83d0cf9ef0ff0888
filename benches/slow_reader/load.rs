//! A steady load of pushes, as the homeserver would send them: one after another.
//!
//! Open loop: each transaction has a time at which it is due, and what becomes of its
//! events counts from then, however late it goes out.

use std::{
    collections::HashMap,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{
    server::Serving,
    shared::events::{Events, Shape},
};

const EVENTS_OF_EACH: u32 = 10;
/// Events that `Serving::fill` has pushed.
const FILLED: usize = 1_000;

/// When each message was due, by its event id.
pub(crate) type Pushed = HashMap<String, Instant>;

/// What is still to be pushed.
pub(crate) struct Load<'a> {
    server: &'a Serving,
    stream: TcpStream,
    events: Events,
    next_id: usize,
    every: Duration,
}

impl<'a> Load<'a> {
    /// So many events a second.
    pub(crate) fn new(server: &'a Serving, per_second: u32) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server.address())?;
        stream.set_nodelay(true)?;
        let mut events = Events::new(Shape::default());
        events.transaction(FILLED);
        Ok(Self {
            server,
            stream,
            events,
            next_id: FILLED,
            every: Duration::from_secs(1) * EVENTS_OF_EACH / per_second.max(1),
        })
    }

    /// Pushes for so long.
    pub(crate) fn push(&mut self, during: Duration) -> anyhow::Result<Pushed> {
        let mut pushed = Pushed::new();
        let began = Instant::now();
        for nth in 0_u32.. {
            let due = began + self.every * nth;
            if due >= began + during {
                break;
            }
            let push = self.events.push(EVENTS_OF_EACH as usize);
            pushed.extend(push.messages.into_iter().map(|id| (id, due)));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.server
                .push(&mut self.stream, self.next_id, &push.body)?;
            self.next_id += 1;
        }
        Ok(pushed)
    }
}

//! The others: two sockets of each customer, which are read all the time.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    load::Pushed,
    server::Serving,
    shared::events::Shape,
    socket::{Frame, Received, Socket},
};

const SOCKETS_OF_EACH: usize = 2;
/// For the last frames.
const PATIENCE: Duration = Duration::from_secs(30);

struct Arrived {
    user: usize,
    socket: usize,
    frame: Frame,
    at: Instant,
}

/// Sockets that are read for as long as this is kept.
pub(crate) struct Crowd {
    readers: JoinSet<anyhow::Result<()>>,
    arrivals: mpsc::UnboundedReceiver<Arrived>,
}

/// What came on them.
#[derive(Default)]
pub(crate) struct Collected {
    /// What each frame took, in order.
    pub(crate) latencies: Vec<Duration>,
    /// By user, the cursors of all frames on one socket.
    pub(crate) cursors: HashMap<usize, Vec<String>>,
}

impl Crowd {
    pub(crate) async fn open(server: &Serving) -> anyhow::Result<Self> {
        let (arrival, arrivals) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        for user in 0..Shape::default().customers {
            for socket in 0..SOCKETS_OF_EACH {
                let opened = Socket::open(server, user, None, None).await?;
                let (opened, _) = opened.live().await?;
                readers.spawn(read(opened, (user, socket), arrival.clone()));
            }
        }
        Ok(Self { readers, arrivals })
    }

    /// Waits until all that was pushed has come, on each socket.
    pub(crate) async fn collect(&mut self, pushed: &Pushed) -> anyhow::Result<Collected> {
        let mut collected = Collected::default();
        let expected = pushed.len() * SOCKETS_OF_EACH;
        while collected.latencies.len() < expected {
            let arrived = timeout(PATIENCE, self.arrivals.recv()).await;
            let Ok(Some(arrived)) = arrived else {
                let ended = self.readers.try_join_next();
                let came = collected.latencies.len();
                bail!("{came} of {expected} frames came; {ended:?}");
            };
            let cursors = collected.cursors.entry(arrived.user).or_default();
            if arrived.socket == 0 {
                cursors.push(arrived.frame.cursor);
            }
            let due = arrived.frame.event_id.and_then(|id| pushed.get(&id));
            if let Some(&due) = due {
                let took = arrived.at.saturating_duration_since(due.into());
                collected.latencies.push(took);
            }
        }
        collected.latencies.sort_unstable();
        Ok(collected)
    }
}

async fn read(
    mut socket: Socket,
    (user, nth): (usize, usize),
    arrivals: mpsc::UnboundedSender<Arrived>,
) -> anyhow::Result<()> {
    loop {
        match socket.next().await? {
            Received::Frame(frame) => arrivals
                .send(Arrived {
                    user,
                    socket: nth,
                    frame,
                    at: Instant::now(),
                })
                .ok()
                .context("nobody listens")?,
            Received::Live(_) => {}
            Received::Closed(code) => bail!("closed with {code:?}"),
        }
    }
}

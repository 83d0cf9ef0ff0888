//! Readers who do not read, until they are told to.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::timeout;

use crate::{
    crowd::Collected,
    server::Serving,
    socket::{Received, Socket},
};

/// What their kernel takes for them, in bytes: little, so that the server notices soon.
const UNREAD: u32 = 8 * 1024;
const PATIENCE: Duration = Duration::from_mins(1);

/// Sockets that nobody reads, of a user each.
pub(crate) struct Stalled(Vec<One>);

struct One {
    socket: Socket,
    /// From where on it is live.
    cursor: String,
}

/// How it went on for one of them.
pub(crate) struct Outcome {
    /// Frames that it found when it read again.
    pub(crate) found: usize,
    /// How that ended; none if it was not closed, or without a word.
    pub(crate) code: Option<u16>,
    /// Frames that it got when it resumed.
    pub(crate) resumed: usize,
}

impl Stalled {
    pub(crate) async fn open(server: &Serving, number: usize) -> anyhow::Result<Self> {
        let mut sockets = Vec::new();
        for user in 0..number {
            let opened = Socket::open(server, user, None, Some(UNREAD)).await?;
            let (socket, cursor) = opened.live().await?;
            sockets.push(One { socket, cursor });
        }
        Ok(Self(sockets))
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.0
            .iter()
            .filter_map(|one| one.socket.port().ok())
            .collect()
    }

    /// Reads on, and resumes whatever was closed. Fails unless each has in the end got
    /// exactly what another socket of the same user got.
    pub(crate) async fn read_on(
        self,
        server: &Serving,
        collected: &Collected,
    ) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for (user, One { socket, cursor }) in self.0.into_iter().enumerate() {
            let others = collected.cursors.get(&user).context("nothing came")?;
            // The last frames of the round before came to the others in this one.
            let earlier = others.iter().position(|other| *other == cursor);
            let expected = &others[earlier.map_or(0, |last| last + 1)..];
            let outcome = timeout(PATIENCE, read_on(server, user, socket, expected)).await;
            outcomes.push(outcome.context("it did not get on")??);
        }
        Ok(outcomes)
    }
}

async fn read_on(
    server: &Serving,
    user: usize,
    socket: Socket,
    expected: &[String],
) -> anyhow::Result<Outcome> {
    let mut got = Vec::new();
    let code = read_to(socket, expected.last(), &mut got).await?;
    let found = got.len();
    if got.last() != expected.last() {
        let since = got.last().context("nothing to resume at")?.clone();
        let socket = Socket::open(server, user, Some(&since), None).await?;
        read_to(socket, expected.last(), &mut got).await?;
    }
    ensure!(got == expected, "what was resumed is not what was sent");
    Ok(Outcome {
        found,
        code,
        resumed: got.len() - found,
    })
}

/// Reads up to a cursor, or to the close.
async fn read_to(
    mut socket: Socket,
    last: Option<&String>,
    got: &mut Vec<String>,
) -> anyhow::Result<Option<u16>> {
    while got.last() != last {
        match socket.next().await? {
            Received::Frame(frame) => got.push(frame.cursor),
            Received::Live(_) => {}
            Received::Closed(code) => return Ok(code),
        }
    }
    Ok(None)
}

//! Speaks like Synapse: one PUT after the other on one connection that is kept.

use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{server::exchange, shared::events::Push};

/// The pushing side of a homeserver.
pub(crate) struct Homeserver {
    to: SocketAddr,
    stream: TcpStream,
    authorization: String,
    next_transaction: u64,
}

/// How long each PUT of a round took.
pub(crate) struct Timings {
    /// The whole round.
    pub(crate) elapsed: Duration,
    /// Each PUT, until its answer was read.
    pub(crate) puts: Vec<Duration>,
}

impl Homeserver {
    pub(crate) fn connect(to: SocketAddr, hs_token: &str) -> anyhow::Result<Self> {
        Ok(Self {
            to,
            stream: open(to)?,
            authorization: format!("Bearer {hs_token}"),
            next_transaction: 1,
        })
    }

    /// Begins a new connection, after so long that the other side may have closed the last one.
    pub(crate) fn reconnect(&mut self) -> anyhow::Result<()> {
        self.stream = open(self.to)?;
        Ok(())
    }

    /// Goes on where another one was.
    pub(crate) fn begin_after(&mut self, transaction: u64) {
        self.next_transaction = transaction + 1;
    }

    /// Pushes each of these, the next one when the last was answered.
    pub(crate) fn push_all(&mut self, pushes: &[Push]) -> anyhow::Result<Timings> {
        let mut puts = Vec::with_capacity(pushes.len());
        let begun = Instant::now();
        for push in pushes {
            let sent = Instant::now();
            self.push(&push.body)?;
            puts.push(sent.elapsed());
        }
        Ok(Timings {
            elapsed: begun.elapsed(),
            puts,
        })
    }

    /// Pushes a transaction, and returns when it is answered.
    pub(crate) fn push(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let id = self.next_transaction;
        self.next_transaction += 1;
        let head = format!(
            "PUT /_matrix/app/v1/transactions/{id} HTTP/1.1\r\nHost: bench\r\n\
             User-Agent: Synapse/1.163.0\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.authorization,
            body.len()
        );
        let status = exchange(&mut self.stream, &[head.as_bytes(), body].concat())?;
        ensure!(status == 200, "transaction {id} was answered {status}");
        Ok(())
    }
}

fn open(to: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

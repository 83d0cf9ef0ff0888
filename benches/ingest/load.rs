//! Speaks like Synapse: one PUT after the other on one connection that is kept.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The pushing side of a homeserver.
pub(crate) struct Homeserver {
    connection: SendRequest<Full<Bytes>>,
    authorization: String,
    host: String,
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
    pub(crate) async fn connect(to: SocketAddr, hs_token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Self {
            connection,
            authorization: format!("Bearer {hs_token}"),
            host: to.to_string(),
            next_transaction: 1,
        })
    }

    /// Pushes each body as a transaction, the next one when the last was answered.
    pub(crate) async fn push_all(&mut self, bodies: Vec<Bytes>) -> anyhow::Result<Timings> {
        let mut puts = Vec::with_capacity(bodies.len());
        let begun = Instant::now();
        for body in bodies {
            let sent = Instant::now();
            self.push(body).await?;
            puts.push(sent.elapsed());
        }
        Ok(Timings {
            elapsed: begun.elapsed(),
            puts,
        })
    }

    async fn push(&mut self, body: Bytes) -> anyhow::Result<()> {
        let id = self.next_transaction;
        self.next_transaction += 1;
        let request = Request::put(format!("/_matrix/app/v1/transactions/{id}"))
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        self.connection.ready().await?;
        let response = self.connection.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        ensure!(
            status == StatusCode::OK && *answer == *b"{}",
            "transaction {id} was answered {status} {answer:?}"
        );
        Ok(())
    }
}

//! A web page's side: one request after the other on a connection that is kept.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{cases::Case, seed::READER, server::session};

/// Requests of a case, after those that are not counted.
const REQUESTS: usize = 300;
const WARM_UP: usize = 30;

/// How long the requests of a case took.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Sorted.
    pub(crate) took: Vec<Duration>,
    /// Items of a page, on average; none of what is no page.
    pub(crate) items: f64,
}

/// The customer who reads.
pub(crate) struct Reader {
    connection: SendRequest<Empty<Bytes>>,
    authorization: String,
}

impl Reader {
    pub(crate) async fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Self {
            connection,
            authorization: String::new(),
        })
    }

    /// Asks for each path in turn, until there were enough.
    pub(crate) async fn measure(&mut self, case: &Case) -> anyhow::Result<Measured> {
        ensure!(!case.paths.is_empty(), "{} asks for nothing", case.name);
        self.renew()?;
        let mut took = Vec::with_capacity(REQUESTS);
        let (mut items, mut pages) = (0, 0);
        for (n, path) in case
            .paths
            .iter()
            .cycle()
            .take(WARM_UP + REQUESTS)
            .enumerate()
        {
            let begun = Instant::now();
            let body = self.get(path).await?;
            if n < WARM_UP {
                continue;
            }
            took.push(begun.elapsed());
            if pages < case.paths.len() {
                let page: Value = serde_json::from_slice(&body)?;
                items += page["items"].as_array().map_or(0, Vec::len);
                pages += 1;
            }
        }
        took.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "there are a few thousand")]
        let items = items as f64 / pages.max(1) as f64;
        Ok(Measured {
            name: case.name,
            took,
            items,
        })
    }

    pub(crate) async fn json(&mut self, path: &str) -> anyhow::Result<Value> {
        self.renew()?;
        Ok(serde_json::from_slice(&self.get(path).await?)?)
    }

    fn renew(&mut self) -> anyhow::Result<()> {
        self.authorization = format!("Bearer {}", session(READER)?);
        Ok(())
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let request = Request::get(path)
            .header(HOST, "bench")
            .header(AUTHORIZATION, &self.authorization)
            .body(Empty::new())?;
        self.connection.ready().await?;
        let response = self.connection.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            status == StatusCode::OK,
            "{path} was answered {status}: {body:?}"
        );
        Ok(body)
    }
}

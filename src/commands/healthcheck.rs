//! `healthcheck`: asks a running Tributary whether it is ready, for a supervisor that can
//! only run a program, such as a container's.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{StatusCode, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::endpoint;
use crate::config::Config;

/// `/readyz` gives the database less than that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fails unless the one at `server.bind` answers that it is ready.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let mut url = endpoint::reachable(config.server.bind)?;
    url.set_path("/readyz");
    let uri = Uri::try_from(url.as_str())?;
    let http: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let answer = tokio::time::timeout(PATIENCE, http.get(uri))
        .await
        .with_context(|| format!("{url} does not answer in time"))?
        .with_context(|| format!("{url} cannot be reached"))?;
    match answer.status() {
        StatusCode::OK => Ok(()),
        status => bail!("{url} answers {status}"),
    }
}

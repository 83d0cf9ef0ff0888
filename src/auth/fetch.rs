//! GET with limits: a time, a size, and no redirects.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{Request, StatusCode, body::Bytes, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use url::Url;

/// What a peer may cost us.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte sent to the last one received.
    pub timeout: Duration,
    /// Of the body.
    pub max_bytes: usize,
}

/// Fetches from `http` and `https`, within [`Limits`].
#[derive(Clone)]
pub struct Fetcher {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    limits: Limits,
}

/// A peer's answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// A redirect is an answer like any other: nobody follows it.
    pub status: StatusCode,
    /// All of it.
    pub body: Bytes,
}

/// Why there was no answer. Never names the URL, which may carry a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("unreachable")]
    Unreachable,
    /// It took longer than [`Limits::timeout`].
    #[error("timed out")]
    TimedOut,
    /// The body is longer than [`Limits::max_bytes`].
    #[error("answer too large")]
    TooLarge,
}

impl Fetcher {
    /// A fetcher with a connection pool of its own.
    ///
    /// # Errors
    ///
    /// When the system's certificates can't be had.
    pub fn new(limits: Limits) -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, limits })
    }

    /// Asks for `url`.
    ///
    /// # Errors
    ///
    /// [`FetchError`] when there is no whole answer within the limits.
    pub async fn get(&self, url: &Url) -> Result<Answer, FetchError> {
        tokio::time::timeout(self.limits.timeout, self.exchange(url))
            .await
            .unwrap_or(Err(FetchError::TimedOut))
    }

    async fn exchange(&self, url: &Url) -> Result<Answer, FetchError> {
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("tributary/", env!("CARGO_PKG_VERSION")),
            )
            .body(Empty::new())
            .map_err(|_| FetchError::Unreachable)?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(|_| FetchError::Unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), self.limits.max_bytes)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    FetchError::TooLarge
                } else {
                    FetchError::Unreachable
                }
            })?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }
}

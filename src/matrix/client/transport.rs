//! Bytes to the homeserver or a bridge and back: deadlines, caps, no redirects.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::timeout;

use super::{CallLimits, ClientError, error};

/// An error answer is read up to here; what is longer is no Matrix error.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// Below the keep-alive of the usual reverse proxies (60 s and more), so that a
/// pooled connection is seldom one that the other side is just closing.
const POOL_IDLE: Duration = Duration::from_secs(30);

pub(in crate::matrix) struct Transport {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    call_timeout: Duration,
}

impl Transport {
    pub(in crate::matrix) fn new(https: bool, limits: &CallLimits) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(https)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        Ok(Self {
            http,
            call_timeout: limits.call_timeout,
        })
    }

    /// The body of a 2xx answer; every other answer is an error, redirects
    /// included: following one would carry the token to wherever it points.
    pub(in crate::matrix) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<Bytes, ClientError> {
        timeout(self.call_timeout, self.exchange(request, max_bytes))
            .await
            .map_err(|_| ClientError::Unreachable("no answer in time".to_owned()))?
    }

    /// A 200 whose body is not read yet: only its beginning has to be here in time.
    pub(in crate::matrix) async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        timeout(self.call_timeout, self.success(request))
            .await
            .map_err(|_| ClientError::Unreachable("no answer in time".to_owned()))?
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<Bytes, ClientError> {
        read(self.success(request).await?.into_body(), max_bytes).await
    }

    async fn success(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let response = self.http.request(request).await;
        let response = response.map_err(|e| error::unreachable(&e))?;
        // Of a file, a 204 would be an empty one and a 206 a part taken for the whole.
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        // Without a readable body the status still says what happened.
        let body = read(body, MAX_ERROR_BYTES).await.unwrap_or_default();
        Err(error::from_response(&Response::from_parts(parts, body)))
    }
}

async fn read(body: Incoming, max_bytes: usize) -> Result<Bytes, ClientError> {
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(ClientError::TooLarge { max_bytes }),
        Err(e) => Err(error::unreachable(e.as_ref())),
    }
}

/// The system's certificates, which are only asked for when https needs them: a
/// small container that talks plain http inside its network may have none.
fn tls_config(https: bool) -> anyhow::Result<ClientConfig> {
    let provider: Arc<CryptoProvider> = rustls::crypto::aws_lc_rs::default_provider().into();
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if https {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

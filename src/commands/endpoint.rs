//! The admin endpoints of a running Tributary, as commands call them.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Usage;
use crate::config::{Config, Server};

/// Queueing the history of every room may take a while.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longer than the answer about some ten thousand jobs, in bytes.
const LONGEST: usize = 64 << 20;
/// As many items of a list as are given at once.
const PAGE: usize = 200;

/// Where it is, and how it is answered.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Where Tributary is, instead of `server.operator_bind` or `server.bind`.
    #[arg(long, global = true)]
    url: Option<Url>,
    /// Print what the endpoint answers, for machines.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// The admin endpoints.
pub(super) struct Endpoint {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Url,
    key: SecretString,
}

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It says no.
    #[error("{detail} ({code})")]
    Refused {
        /// The problem's stable word.
        code: String,
        /// For people.
        detail: String,
    },
    /// It may be there later.
    #[error("{0} does not answer: {1}")]
    Unreachable(String, &'static str),
    /// No address can carry it.
    #[error("`{0}` is no id")]
    Unaskable(String),
    /// Somebody else answered.
    #[error("{0} answers {1}, and not as Tributary does")]
    Strange(String, StatusCode),
}

/// A part of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    pub(super) next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Endpoint {
    /// Nothing is connected to yet.
    pub(super) fn new(place: &Place, config: &Config) -> anyhow::Result<Self> {
        let key = config.admin.api_key.0.first().cloned().ok_or(Usage(
            "no key is configured: set admin.api_key to the one of the Tributary that runs",
        ))?;
        let base = match &place.url {
            Some(url) => url.clone(),
            None => local(&config.server)?,
        };
        let https = match base.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(Usage("--url takes an http or https URL").into()),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(https)?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            base,
            key,
        })
    }

    /// Asks for what is at `path`, below `/api/admin`.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        self.call(Method::GET, path, query, None).await
    }

    /// Sends a body to `path`, below `/api/admin`.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.call(method, path, &[], body).await
    }

    /// Up to `limit` items of a list, over as many pages as that takes.
    pub(super) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Page, Failure> {
        let mut all = Page {
            items: Vec::new(),
            next_cursor: None,
        };
        loop {
            let size = (limit - all.items.len()).min(PAGE).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &size));
            if let Some(cursor) = &all.next_cursor {
                query.push(("cursor", cursor));
            }
            let page = self.get(path, &query).await?;
            let page = Page::deserialize(page)
                .map_err(|_| Failure::Strange(self.name(), StatusCode::OK))?;
            all.items.extend(page.items);
            all.next_cursor = page.next_cursor;
            if all.next_cursor.is_none() || all.items.len() >= limit {
                return Ok(all);
            }
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let request = self.request(method, path, query, body)?;
        let exchange = async {
            let response = self
                .http
                .request(request)
                .await
                .map_err(|_| "unreachable")?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST).collect().await;
            let body = body.map_err(|_| "the answer broke off, or is too long")?;
            Ok((status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or(Err("no answer in time"))
            .map_err(|why| Failure::Unreachable(self.name(), why))?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|_| Failure::Strange(self.name(), status));
        }
        match serde_json::from_slice::<Problem>(&body) {
            // A replica that restarts, or whose database does.
            Ok(_) if status == StatusCode::SERVICE_UNAVAILABLE => Err(Failure::Unreachable(
                self.name(),
                "unavailable at the moment",
            )),
            Ok(Problem { code, detail }) => Err(Failure::Refused { code, detail }),
            Err(_) => Err(Failure::Strange(self.name(), status)),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let unusable = |why| Failure::Unreachable(self.name(), why);
        if let Some(segment) = path.iter().find(|segment| is_lost(segment)) {
            return Err(Failure::Unaskable((*segment).to_owned()));
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| unusable("it is no address"))?
            .pop_if_empty()
            .extend(["api", "admin"])
            .extend(path);
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let key = format!("Bearer {}", self.key.expose_secret());
        let mut key = HeaderValue::from_str(&key)
            .map_err(|_| unusable("admin.api_key cannot be sent in a header"))?;
        key.set_sensitive(true);
        let body = body.map(Value::to_string).unwrap_or_default();
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(AUTHORIZATION, key)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|_| unusable("it is no address"))
    }

    /// The address without what may be secret in it.
    fn name(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// Whether a URL would leave a path segment out.
fn is_lost(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

/// Where a Tributary with this configuration listens for its operator, from this machine.
fn local(server: &Server) -> Result<Url, Usage> {
    reachable(server.operator_bind.unwrap_or(server.bind))
}

/// The address of what listens at `bind`, from this machine.
pub(super) fn reachable(bind: SocketAddr) -> Result<Url, Usage> {
    let mut address = bind;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip([127, 0, 0, 1].into()),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    let url = format!("http://{address}").parse().ok();
    url.filter(|_| address.port() != 0).ok_or(Usage(
        "the port that Tributary listens on is not configured: give --url",
    ))
}

/// The system's certificates are only asked for when https needs them: a small
/// container may have none.
fn tls(https: bool) -> anyhow::Result<ClientConfig> {
    let provider: std::sync::Arc<CryptoProvider> =
        rustls::crypto::aws_lc_rs::default_provider().into();
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if https {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        let place = Place {
            url: Some(url.parse().unwrap()),
            json: false,
        };
        let config = serde_json::json!({
            "homeserver": {"url": "http://127.0.0.1:1", "server_name": "lab.local"},
            "bridges": [], "database": {"url": "postgres://unused"}, "clerk": {},
            "admin": {"api_key": "the-key"},
        });
        Endpoint::new(&place, &serde_json::from_value(config).unwrap()).unwrap()
    }

    #[test]
    fn ids_are_one_segment_whatever_is_in_them() {
        let uri = |base: &str, path: &[&str], query: &[(&str, &str)]| {
            let request = endpoint(base).request(Method::GET, path, query, None);
            request.unwrap().uri().to_string()
        };
        assert_eq!(
            uri("http://127.0.0.1:1", &["rooms", "!a/b%?#:lab.local"], &[]),
            "http://127.0.0.1:1/api/admin/rooms/!a%2Fb%25%3F%23:lab.local"
        );
        assert_eq!(
            uri(
                "https://example.org/chat/?x=1",
                &["backfill"],
                &[("roomId", "!a&b")]
            ),
            "https://example.org/chat/api/admin/backfill?roomId=%21a%26b"
        );
    }

    #[test]
    fn a_message_names_neither_the_key_nor_a_password() {
        let name = endpoint("http://me:secret@127.0.0.1:1/x?y=secret").name();
        assert_eq!(name, "http://127.0.0.1:1");
    }

    #[test]
    fn it_is_where_the_operator_is_served() {
        let url = |bind: &str, operator: Option<&str>| {
            let server = Server {
                bind: bind.parse().unwrap(),
                operator_bind: operator.map(|bind| bind.parse().unwrap()),
                ..Server::default()
            };
            local(&server).ok().map(|url| url.to_string())
        };
        assert_eq!(
            url("10.0.0.1:5", None).as_deref(),
            Some("http://10.0.0.1:5/")
        );
        assert_eq!(
            url("0.0.0.0:5", None).as_deref(),
            Some("http://127.0.0.1:5/")
        );
        assert_eq!(
            url("0.0.0.0:5", Some("[::]:6")).as_deref(),
            Some("http://[::1]:6/")
        );
        assert_eq!(url("127.0.0.1:0", None), None);
    }
}

//! `server`: where Tributary listens and how it is reached.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{
    error::Report,
    masked, origin,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::new("bind", Kind::Address),
    Key::new("public_url", Kind::Url),
    Key::new("allowed_origins", Kind::Texts),
    Key::new("trusted_proxies", Kind::Texts),
    Key::new("operator_bind", Kind::Address),
];

/// `server`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// How the homeserver, the bridges and the web app reach it.
    #[serde(serialize_with = "masked::url")]
    pub public_url: Url,
    /// Origins that browsers may call from, besides the same host.
    pub allowed_origins: Vec<String>,
    /// CIDRs of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// When set, the operator's endpoints are served only there.
    pub operator_bind: Option<SocketAddr>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 29330)),
            public_url: default_public_url(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            operator_bind: None,
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant")]
fn default_public_url() -> Url {
    "http://127.0.0.1:29330".parse().expect("a valid URL")
}

impl Server {
    /// Whether only this machine can reach it: both `bind` and `public_url` are loopback.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.bind.ip().is_loopback() && is_loopback(&self.public_url)
    }

    pub(super) fn check(&self, report: &mut Report) {
        for origin in &self.allowed_origins {
            if let Err((what, right)) = origin::check(origin) {
                report.add("server.allowed_origins", what, right);
            }
        }
        let is_network =
            |proxy: &String| proxy.parse::<IpNet>().is_ok() || proxy.parse::<IpAddr>().is_ok();
        if !self.trusted_proxies.iter().all(is_network) {
            let right = "addresses or networks in CIDR form, such as `10.0.0.0/8` or `fd00::/8`";
            report.add(
                "server.trusted_proxies",
                "has an item that is no network",
                right,
            );
        }
        if self
            .operator_bind
            .is_some_and(|bind| overlap(bind, self.bind))
        {
            let right = "another port, or leave it out to serve the operator on server.bind";
            report.add(
                "server.operator_bind",
                "is the address of server.bind",
                right,
            );
        }
    }
}

/// Whether both cannot be listened on at once. Port 0 is a new port each time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let everywhere = |a: SocketAddr| a.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || everywhere(a) || everywhere(b))
}

/// Whether the host of `url` is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(server: &Server) -> Vec<String> {
        let mut report = Report::default();
        server.check(&mut report);
        report.keys().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn proxies_are_networks() {
        let with = |proxy: &str| {
            wrong(&Server {
                trusted_proxies: vec!["10.0.0.0/8".to_owned(), proxy.to_owned()],
                ..Server::default()
            })
        };
        assert!(with("::1").is_empty());
        for proxy in ["10.0.0.0/33", "proxy.local", "*"] {
            assert_eq!(with(proxy), ["server.trusted_proxies"], "{proxy}");
        }
    }

    #[test]
    fn the_operator_has_an_address_of_its_own() {
        let with = |bind: &str, operator: &str| {
            wrong(&Server {
                bind: bind.parse().unwrap(),
                operator_bind: Some(operator.parse().unwrap()),
                ..Server::default()
            })
        };
        assert!(with("127.0.0.1:1", "127.0.0.1:2").is_empty());
        assert!(with("10.0.0.1:1", "127.0.0.1:1").is_empty());
        assert!(with("127.0.0.1:0", "127.0.0.1:0").is_empty());
        assert_eq!(with("127.0.0.1:1", "127.0.0.1:1"), ["server.operator_bind"]);
        assert_eq!(with("0.0.0.0:1", "127.0.0.1:1"), ["server.operator_bind"]);
    }

    #[test]
    fn loopback_is_this_machine() {
        let url = |url: &str| is_loopback(&url.parse().unwrap());
        assert!(url("http://localhost:1") && url("http://127.0.0.9") && url("http://[::1]:1"));
        assert!(!url("http://localhost.example.org") && !url("http://10.0.0.1"));
    }
}

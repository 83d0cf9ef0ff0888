//! Where a request comes from.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use crate::app::AppState;

/// The address of the caller, as far as it is known: of the peer, or what a proxy
/// of `server.trusted_proxies` says in `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(pub Option<IpAddr>);

impl FromRequestParts<AppState> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let trusted = &app.config.server.trusted_proxies;
        Ok(Self(peer.map(|ConnectInfo(peer)| {
            client(peer.ip(), &parts.headers, trusted)
        })))
    }
}

/// Goes back through the proxies as long as they are trusted: what a stranger
/// wrote into the header says nothing.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[String]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|cidr| contains(cidr, ip));
    let mut client = peer.to_canonical();
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let hops: Vec<_> = hops.collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Ok(ip) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = ip.to_canonical();
    }
    client
}

/// Whether a CIDR, or a plain address, contains an address.
fn contains(cidr: &str, ip: IpAddr) -> bool {
    let (network, length) = cidr.split_once('/').unwrap_or((cidr, "128"));
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let differing = match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            (network.to_bits() ^ ip.to_bits()).leading_zeros().min(32)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => (network.to_bits() ^ ip.to_bits()).leading_zeros(),
        _ => return false,
    };
    let width = if network.is_ipv4() { 32 } else { 128 };
    differing >= length.min(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|cidr| (*cidr).to_owned()).collect();
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(of("9.9.9.9", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(of("10.0.0.1", &["1.1.1.1"], &["10.0.0.0/8"]), "1.1.1.1");
        // What stands before the last stranger is that stranger's invention.
        let hops = ["6.6.6.6, 1.1.1.1", "10.2.3.4"];
        assert_eq!(of("10.0.0.1", &hops, &["10.0.0.0/8"]), "1.1.1.1");
        assert_eq!(of("10.0.0.1", &["nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(of("::1", &["1.1.1.1"], &["::1"]), "1.1.1.1");
        assert_eq!(
            of("::ffff:10.0.0.1", &["2.2.2.2"], &["10.0.0.1/32"]),
            "2.2.2.2"
        );
    }

    #[test]
    fn a_network_contains_its_addresses() {
        for (cidr, ip, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "1.2.3.4", false),
            ("nonsense", "1.2.3.4", false),
            ("1.2.3.4/x", "1.2.3.4", false),
        ] {
            assert_eq!(contains(cidr, ip.parse().unwrap()), expected, "{cidr} {ip}");
        }
    }
}

//! PURE: who is asking, and which addresses are one caller.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The header in which a proxy names whom it asks for.
pub(super) const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies whose word counts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// From `server.trusted_proxies`: networks, or plain addresses.
    #[must_use]
    pub fn new(trusted: &[String]) -> Self {
        let network = |proxy: &String| {
            let address = proxy.parse::<IpAddr>().ok();
            proxy.parse().ok().or(address.map(IpNet::from))
        };
        Self(trusted.iter().filter_map(network).collect())
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| proxy.contains(&address))
    }

    /// Goes back through the proxies as long as they are trusted: what a stranger
    /// wrote into the header says nothing.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .rev()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.rsplit(','));
        for hop in hops {
            if !self.contain(client) {
                break;
            }
            let Some(address) = address_of(hop.trim()) else {
                break;
            };
            client = address.to_canonical();
        }
        client
    }
}

/// A hop as proxies write it: some add the port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    hop.parse().ok().or_else(with_port)
}

/// What counts as one caller: an IPv4 address, or an IPv6 /64, of which whoever has
/// one address has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        const HOST: u128 = (1 << 64) - 1;
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !HOST).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(trusted: &[&str]) -> Proxies {
        let trusted: Vec<_> = trusted.iter().map(|cidr| (*cidr).to_owned()).collect();
        Proxies::new(&trusted)
    }

    fn of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let client = proxies(trusted).client(peer.parse().unwrap(), &headers);
        client.to_string()
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
        assert_eq!(of("::1", &["1.1.1.1:4431"], &["::1"]), "1.1.1.1");
        assert_eq!(of("::1", &["[2001:db8::1]:80"], &["::1"]), "2001:db8::1");
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
            let contains = proxies(&[cidr]).contain(ip.parse().unwrap());
            assert_eq!(contains, expected, "{cidr} {ip}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let of = |address: &str| Network::of(address.parse().unwrap()).to_string();
        assert_eq!(of("203.0.113.9"), "203.0.113.9");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
    }
}

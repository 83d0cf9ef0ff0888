//! PURE: whether a request comes from the console's own page on this machine.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority};
use url::Url;

/// Whether it does, or from a program that is no browser.
///
/// A page elsewhere may name this machine's address as its own host (DNS rebinding) or
/// have the browser send what the page may not read: the one shows in `Host`, the other
/// in `Origin` and `Sec-Fetch-Site`.
pub(super) fn is_own_page(headers: &HeaderMap) -> bool {
    let Some(host) = only(headers, &header::HOST) else {
        return false;
    };
    let site = headers.get("sec-fetch-site");
    is_this_machine(host)
        && origins_are(headers, host)
        && site.is_none_or(|site| site == "same-origin")
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str)?.ok();
    value.filter(|_| values.next().is_none())
}

fn origins_are(headers: &HeaderMap, host: &str) -> bool {
    let own = format!("http://{host}");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
}

fn is_this_machine(host: &str) -> bool {
    let is_plain = host.parse::<Authority>().is_ok() && !host.contains('@');
    let url = Url::parse(&format!("http://{host}/"));
    is_plain
        && url.is_ok_and(|url| match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, value.parse().unwrap());
        }
        is_own_page(&headers)
    }

    #[test]
    fn the_page_itself_and_programs_may() {
        for host in [
            "127.0.0.1:29330",
            "localhost:29330",
            "tributary.localhost:29330",
            "[::1]:29330",
            "127.0.0.1",
        ] {
            let origin = format!("http://{host}");
            assert!(check(&[("host", host)]), "{host}");
            assert!(check(&[
                ("host", host),
                ("origin", &origin),
                ("sec-fetch-site", "same-origin")
            ]));
        }
    }

    #[test]
    fn a_name_that_somebody_points_here_may_not() {
        for host in [
            "evil.example:29330",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "10.0.0.1:29330",
            "",
        ] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[]));
        assert!(!check(&[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn another_page_may_not() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:29330");
        for origin in [
            "http://127.0.0.1:3000",
            "http://localhost:29330",
            "https://127.0.0.1:29330",
            "http://evil.example",
            "null",
        ] {
            assert!(!check(&[HOST, ("origin", origin)]), "{origin}");
        }
        let own = ("origin", "http://127.0.0.1:29330");
        assert!(!check(&[HOST, own, ("origin", "null")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!check(&[HOST, own, ("sec-fetch-site", site)]), "{site}");
        }
    }
}

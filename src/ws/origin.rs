//! PURE: which web pages may open a socket.

use axum::http::{HeaderMap, HeaderValue, header, uri::Authority};

/// Whether the page that asks may: it is listed, or comes from this very host and
/// port. A program that is no browser says no origin and is not kept out.
pub(super) fn is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => {
            let host = headers.get(header::HOST).map(HeaderValue::to_str);
            origin.to_str().is_ok_and(|origin| {
                is_listed(origin, allowed) || matches!(host, Some(Ok(host)) if is_own(origin, host))
            })
        }
        (Some(_), Some(_)) => false,
    }
}

/// To the letter: browsers spell an origin in one way, which the configuration is checked for.
fn is_listed(origin: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|listed| listed == origin)
}

/// Whether an http origin names the host and port of the `Host` header. Behind a
/// proxy that ends TLS only the page knows the scheme, so its default port stands
/// in for a missing one on both sides.
fn is_own(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let place = |text: &str| {
        let authority: Authority = text.parse().ok()?;
        let port = authority.port_u16();
        // `user@host` and a port that is no number are no host and port.
        let plain = !text.contains('@') && (port.is_some() || authority.port().is_none());
        let whole = !authority.host().is_empty() && !text.ends_with(':');
        (plain && whole).then(|| {
            (
                authority.host().to_ascii_lowercase(),
                port.unwrap_or(default_port),
            )
        })
    };
    place(authority).is_some_and(|origin| place(host) == Some(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&str], host: Option<&str>, allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        let allowed: Vec<_> = allowed.iter().map(|&text| text.to_owned()).collect();
        is_allowed(&headers, &allowed)
    }

    #[test]
    fn no_origin_is_no_page() {
        assert!(check(&[], Some("a.example"), &[]));
    }

    #[test]
    fn what_is_listed_may() {
        let allowed = [
            "null",
            "app://desk",
            "file://",
            "https://web.example",
            "http://b:3000",
        ];
        for origin in allowed {
            assert!(check(&[origin], Some("a.example"), &allowed), "{origin}");
        }
        for origin in [
            "https://web.example:444",
            "https://web.example:443",
            "https://web.example/",
            "https://WEB.example",
            "HTTPS://web.example",
            "Null",
            "NULL",
            "http://web.example",
            "https://web.example.evil",
            "https://xweb.example",
            "https://web.example, null",
            "https://web.example null",
            "app://desk2",
            "app://desk/",
            "APP://desk",
            "file:",
            "file:///",
            "file:///home",
            "http://b",
            "*",
            "",
        ] {
            assert!(!check(&[origin], Some("a.example"), &allowed), "{origin}");
        }
    }

    #[test]
    fn nothing_listed_keeps_null_out() {
        assert!(!check(&["null"], Some("null"), &[]));
    }

    #[test]
    fn the_own_host_may() {
        for (origin, host) in [
            ("http://a.example", "a.example"),
            ("https://a.example", "a.example"),
            ("https://a.example", "a.example:443"),
            ("https://a.example:443", "a.example"),
            ("http://127.0.0.1:29330", "127.0.0.1:29330"),
            ("http://[::1]:29330", "[::1]:29330"),
            ("http://A.example:8080", "a.EXAMPLE:8080"),
        ] {
            assert!(check(&[origin], Some(host), &[]), "{origin} at {host}");
        }
    }

    #[test]
    fn another_host_may_not() {
        for (origin, host) in [
            ("http://a.example:8080", "a.example"),
            ("http://a.example", "a.example:8080"),
            ("http://a.example", "a.example:443"),
            ("https://b.example", "a.example"),
            ("https://a.example.evil", "a.example"),
            ("https://a.example@evil", "a.example@evil"),
            ("app://a.example", "a.example"),
            ("https://a.example/", "a.example"),
            ("https://", ""),
            ("a.example", "a.example"),
        ] {
            assert!(!check(&[origin], Some(host), &[]), "{origin} at {host}");
        }
        assert!(!check(&["https://a.example"], None, &[]));
    }

    #[test]
    fn two_origins_are_none() {
        assert!(!check(
            &["https://a.example", "https://a.example"],
            Some("a.example"),
            &["https://a.example"]
        ));
    }
}

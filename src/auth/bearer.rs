//! `Authorization: Bearer` (RFC 6750 section 2.1).

use hyper::{HeaderMap, header::AUTHORIZATION};

/// What a request's headers say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'r> {
    /// There is no `Authorization`.
    Missing,
    /// There are several, or one that is no bearer token.
    Malformed,
    /// The token, not empty.
    Token(&'r str),
}

/// Reads the bearer token of a request.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Bearer::Missing,
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(credentials)
            .map_or(Bearer::Malformed, Bearer::Token),
        (Some(_), Some(_)) => Bearer::Malformed,
    }
}

fn credentials(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && printable && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            headers.append(AUTHORIZATION, value);
        }
        match bearer(&headers) {
            Bearer::Missing => "missing".to_owned(),
            Bearer::Malformed => "malformed".to_owned(),
            Bearer::Token(token) => format!("token {token}"),
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in [
            "Bearer abc",
            "bearer abc",
            "BEARER abc",
            "bEaReR   abc",
            "Bearer abc ",
        ] {
            assert_eq!(of(&[value.as_bytes()]), "token abc", "{value:?}");
        }
    }

    #[test]
    fn no_header_is_not_a_wrong_header() {
        assert_eq!(of(&[]), "missing");
    }

    #[test]
    fn what_is_no_single_bearer_token_is_malformed() {
        let cases: [&[&[u8]]; 9] = [
            &[b""],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearerabc"],
            &[b"abc"],
            &[b"Basic abc"],
            &[b"Bearer a b"],
            &[b"Bearer \xff"],
            &[b"Bearer abc", b"Bearer abc"],
        ];
        for values in cases {
            assert_eq!(of(values), "malformed", "{values:?}");
        }
    }
}

//! The homeserver's token (Matrix AS API, "Authorization").

use hyper::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{
    bearer::{Bearer, bearer},
    digest::{Hash, sha256},
};

const DOMAIN: &str = "tributary/hs-token";

/// The registration's `hs_token`; keeps its hash only.
#[derive(Clone)]
pub struct HsToken(Hash);

/// Whether a request is the homeserver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HsAuth {
    /// It is.
    Ok,
    /// It brings no token: 401 `M_UNAUTHORIZED`.
    Missing,
    /// It brings another one, or two that differ: 403 `M_FORBIDDEN`.
    Wrong,
}

impl HsToken {
    /// From the registration.
    #[must_use]
    pub fn new(hs_token: &SecretString) -> Self {
        Self(sha256(DOMAIN, hs_token.expose_secret()))
    }

    /// Judges a request by its headers and its `?access_token=`. While
    /// `appservice.legacy_query_auth` is off one without a header is no token: pass `None`.
    #[must_use]
    pub fn check(&self, headers: &HeaderMap, query_token: Option<&str>) -> HsAuth {
        match (bearer(headers), query_token) {
            (Bearer::Missing | Bearer::Malformed, None) => HsAuth::Missing,
            (Bearer::Malformed, Some(_)) => HsAuth::Wrong,
            (Bearer::Missing, Some(token)) | (Bearer::Token(token), None) => self.judge(&[token]),
            (Bearer::Token(header), Some(query)) => self.judge(&[header, query]),
        }
    }

    /// Every token that was presented has to be right, so two that differ never are.
    fn judge(&self, presented: &[&str]) -> HsAuth {
        let right = presented
            .iter()
            .map(|token| sha256(DOMAIN, token).ct_eq(&self.0))
            .reduce(|all, one| all & one);
        if right.is_some_and(bool::from) {
            HsAuth::Ok
        } else {
            HsAuth::Wrong
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn header_and_query_have_to_agree() {
        for (header, query, expected) in [
            (None, None, HsAuth::Missing),
            (Some("Basic hs"), None, HsAuth::Missing),
            (Some("Bearer hs"), None, HsAuth::Ok),
            (Some("bearer hs"), None, HsAuth::Ok),
            (Some("Bearer as"), None, HsAuth::Wrong),
            (None, Some("hs"), HsAuth::Ok),
            (None, Some("as"), HsAuth::Wrong),
            (None, Some(""), HsAuth::Wrong),
            (Some("Bearer hs"), Some("hs"), HsAuth::Ok),
            (Some("Bearer hs"), Some("as"), HsAuth::Wrong),
            (Some("Bearer as"), Some("hs"), HsAuth::Wrong),
            (Some("Bearer as"), Some("as"), HsAuth::Wrong),
            (Some("Basic hs"), Some("hs"), HsAuth::Wrong),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().expect("a header value"));
            }
            let answer = HsToken::new(&"hs".into()).check(&headers, query);
            assert_eq!(answer, expected, "{header:?} {query:?}");
        }
    }
}

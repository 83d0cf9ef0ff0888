//! PURE: where a handshake carries its session token.

use axum::http::{
    HeaderMap,
    header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
};
use url::form_urlencoded;

use crate::auth::bearer::{Bearer, bearer};

/// The subprotocol that is spoken, and the only one that is ever answered.
pub(super) const SUBPROTOCOL: &str = "tributary.v1";
/// What a token is offered behind, as if it were a subprotocol: a browser's
/// WebSocket can set no other header.
const TOKEN_PREFIX: &str = "bearer.";

/// The token of a handshake, from the first place that carries one: what stands
/// there counts, even if it is no good and a later place has a better one.
pub(super) fn find(headers: &HeaderMap, query: &str) -> Option<String> {
    if let Some(token) = offered(headers) {
        return Some(token.to_owned());
    }
    if headers.contains_key(AUTHORIZATION) {
        return match bearer(headers) {
            Bearer::Token(token) => Some(token.to_owned()),
            Bearer::Malformed | Bearer::Missing => None,
        };
    }
    parameter(query, "token")
}

/// The first parameter of this name.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn offered(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|offer| offer.trim().strip_prefix(TOKEN_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn each_place_carries_it() {
        for (pairs, query) in [
            (
                &[("sec-websocket-protocol", "tributary.v1, bearer.a.b.c")][..],
                "",
            ),
            (&[("sec-websocket-protocol", "bearer.a.b.c")], ""),
            (&[("authorization", "Bearer a.b.c")], ""),
            (&[], "since=x&token=a.b.c"),
        ] {
            let found = find(&headers(pairs), query);
            assert_eq!(found.as_deref(), Some("a.b.c"), "{pairs:?} {query}");
        }
    }

    #[test]
    fn the_first_place_counts() {
        let all = [
            ("sec-websocket-protocol", "tributary.v1,bearer.first"),
            ("authorization", "Bearer second"),
        ];
        assert_eq!(
            find(&headers(&all), "token=third").as_deref(),
            Some("first")
        );
        assert_eq!(
            find(&headers(&all[1..]), "token=third").as_deref(),
            Some("second")
        );
        let basic = headers(&[("authorization", "Basic x")]);
        assert_eq!(find(&basic, "token=third"), None);
        let empty = headers(&[("sec-websocket-protocol", "bearer.")]);
        assert_eq!(find(&empty, "token=third").as_deref(), Some(""));
    }

    #[test]
    fn none_is_none() {
        let other = headers(&[("sec-websocket-protocol", "tributary.v1, graphql-ws")]);
        assert_eq!(find(&other, "since=bearer.x"), None);
    }
}

//! Where a good token may stand, and where nobody looks for one.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    door::Doors,
    row::{Setting, genuine},
};

/// Headers, a query, and whether that admits. `T` is a good token, `F` one that is not.
type Case = (&'static [(&'static str, &'static str)], &'static str, bool);

const PROTOCOL: &str = "sec-websocket-protocol";

/// What holds for the API and for the socket alike.
const BOTH: [Case; 27] = [
    (&[("authorization", "Bearer T")], "", true),
    (&[("authorization", "bearer T")], "", true),
    (&[("authorization", "BEARER T")], "", true),
    (&[("authorization", "Bearer   T")], "", true),
    (&[("authorization", "Bearer T  ")], "", true),
    (&[("authorization", "Bearer T")], "?token=F", true),
    (
        &[("authorization", "Bearer T"), ("cookie", "__session=F")],
        "",
        true,
    ),
    (&[], "", false),
    (&[("authorization", "")], "", false),
    (&[("authorization", "Bearer")], "", false),
    (&[("authorization", "T")], "", false),
    (&[("authorization", "BearerT")], "", false),
    (&[("authorization", "Bearer: T")], "", false),
    (&[("authorization", "Bearer\tT")], "", false),
    (&[("authorization", "Bearer T F")], "", false),
    (&[("authorization", "Bearer T,T")], "", false),
    (&[("authorization", "Bearer \"T\"")], "", false),
    (&[("authorization", "Token T")], "", false),
    (&[("authorization", "DPoP T")], "", false),
    (&[("authorization", "Basic B")], "", false),
    (
        &[("authorization", "Bearer T"), ("authorization", "Bearer T")],
        "",
        false,
    ),
    (
        &[("authorization", "Bearer T"), ("authorization", "Bearer F")],
        "",
        false,
    ),
    (
        &[("authorization", "Bearer F"), ("authorization", "Bearer T")],
        "",
        false,
    ),
    (&[("cookie", "__session=T")], "", false),
    (&[("x-authorization", "Bearer T")], "", false),
    (&[("proxy-authorization", "Bearer T")], "", false),
    (
        &[("clerk-session", "T")],
        "?access_token=T&__session=T&jwt=T",
        false,
    ),
];

const API: [Case; 4] = [
    (&[], "?token=T", false),
    (&[], "?ticket=T", false),
    (&[(PROTOCOL, "tributary.v1, bearer.T")], "", false),
    (&[("authorization", "Bearer F")], "?token=T", false),
];

/// A socket takes the first place that has one, good or not.
const SOCKET: [Case; 15] = [
    (&[], "?token=T", true),
    (&[], "?token=T&token=F", true),
    (&[], "?token=F&token=T", false),
    (&[], "?Token=T", false),
    (&[], "?token=", false),
    (&[(PROTOCOL, "tributary.v1, bearer.T")], "", true),
    (&[(PROTOCOL, "bearer.T,tributary.v1")], "", true),
    (&[(PROTOCOL, "tributary.v1, bearer.T")], "?token=F", true),
    (
        &[
            (PROTOCOL, "tributary.v1, bearer.T"),
            ("authorization", "Bearer F"),
        ],
        "",
        true,
    ),
    (
        &[
            (PROTOCOL, "tributary.v1, bearer.F"),
            ("authorization", "Bearer T"),
        ],
        "?token=T",
        false,
    ),
    (&[(PROTOCOL, "tributary.v1, bearer.F, bearer.T")], "", false),
    (&[(PROTOCOL, "tributary.v1, bearer.")], "?token=T", false),
    (&[(PROTOCOL, "tributary.v1, T")], "", false),
    (&[("authorization", "Bearer F")], "?token=T", false),
    (&[("authorization", "Basic B")], "?token=T", false),
];

struct Tokens {
    good: String,
    bad: String,
}

impl Tokens {
    fn new() -> Self {
        Self {
            good: genuine(&[]),
            bad: genuine(&[("exp", "1699999995")]),
        }
    }

    /// The text with its `T`, `F` and `B` filled in, which stand for themselves elsewhere.
    fn fill(&self, text: &str) -> String {
        let basic = STANDARD.encode(format!("{}:", self.good));
        let word = |word: &str| match word {
            "T" => self.good.clone(),
            "F" => self.bad.clone(),
            "B" => basic.clone(),
            "BearerT" => format!("Bearer{}", self.good),
            other => other.to_owned(),
        };
        let is_border = |c: char| !c.is_ascii_alphanumeric();
        text.split_inclusive(is_border)
            .map(|part| match part.char_indices().last() {
                Some((at, border)) if is_border(border) => format!("{}{border}", word(&part[..at])),
                _ => word(part),
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_looks_for_a_token_in_one_place() {
    let (tokens, mut doors) = (Tokens::new(), Doors::new().await);
    let door = doors.of(&Setting::default()).await;
    for (headers, query, admits) in BOTH.iter().chain(&API) {
        let mut request = door.request(&tokens.fill(query));
        for (name, value) in *headers {
            request = request.header(*name, tokens.fill(value));
        }
        let status = request.send().await.unwrap().status().as_u16();
        let expected = if *admits { 200 } else { 401 };
        assert_eq!(status, expected, "{headers:?} {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_looks_for_a_token_in_three_places() {
    let (tokens, mut doors) = (Tokens::new(), Doors::new().await);
    let door = doors.of(&Setting::default()).await;
    for (headers, query, admits) in BOTH.iter().chain(&SOCKET) {
        let mut request = door.sockets.request(&tokens.fill(query));
        for (name, value) in *headers {
            let value = tokens.fill(value).parse().unwrap();
            request.headers_mut().append(*name, value);
        }
        let refused = door.sockets.handshake(request).await.err();
        let status = refused.map(|refused| refused.status);
        assert_eq!(status, (!admits).then_some(401), "{headers:?} {query}");
    }
}

use std::time::Duration;

use ruma::api::Direction;
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header, method, path, query_param, query_param_is_missing},
};

use super::{CallLimits, ClientError, Homeserver, MessagesQuery, Retry};
use crate::config;

const TOKEN: &str = "as_token_of_the_tests";
const ROOM: &str = "!room:lab.local";
const BOT: &str = "@facebookbot:lab.local";

fn client(uri: &str, limits: &CallLimits) -> Homeserver {
    let config = config::Homeserver {
        url: uri.parse().unwrap(),
        server_name: "lab.local".to_owned(),
    };
    Homeserver::new(&config, SecretString::from(TOKEN), limits).unwrap()
}

/// A homeserver that answers everything with `answer`, and a client for it.
async fn answering(answer: ResponseTemplate) -> (MockServer, Homeserver) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = client(&server.uri(), &CallLimits::default());
    (server, client)
}

fn page(room: &str) -> MessagesQuery<'_> {
    MessagesQuery {
        room,
        as_user: Some(BOT),
        dir: Direction::Backward,
        from: None,
        to: None,
        limit: 100,
        lazy_load: false,
    }
}

fn json_body(text: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(text.into(), "application/json")
}

#[tokio::test]
async fn a_page_is_asked_for_in_full_and_read_raw() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/_matrix/client/v3/rooms/!room:lab.local/messages"))
        .and(header("authorization", format!("Bearer {TOKEN}")))
        .and(query_param("user_id", BOT))
        .and(query_param("dir", "f"))
        .and(query_param("from", "a&b"))
        .and(query_param("to", "c"))
        .and(query_param("limit", "500"))
        .and(query_param("filter", r#"{"lazy_load_members":true}"#))
        .respond_with(json_body(
            r#"{"start":"s","end":"e","chunk":[{"a": 1e400}],"state":[7]}"#,
        ))
        .mount(&server)
        .await;
    let query = MessagesQuery {
        dir: Direction::Forward,
        from: Some("a&b"),
        to: Some("c"),
        limit: 500,
        lazy_load: true,
        ..page(ROOM)
    };
    let page = client(&server.uri(), &CallLimits::default())
        .messages(&query)
        .await
        .unwrap();
    assert_eq!((page.start.as_str(), page.end.as_deref()), ("s", Some("e")));
    assert_eq!(page.chunk[0].get(), r#"{"a": 1e400}"#);
    assert_eq!(page.state[0].get(), "7");
}

#[tokio::test]
async fn a_last_page_may_be_empty() {
    let (_server, client) = answering(json_body(r#"{"chunk":[],"start":"s"}"#)).await;
    let last = client.messages(&page(ROOM)).await.unwrap();
    assert!(last.chunk.is_empty() && last.end.is_none());
}

#[tokio::test]
async fn depth_is_no_obstacle() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let (_server, client) = answering(json_body(format!(r#"{{"chunk":[{deep},{{}}]}}"#))).await;
    let page = client.messages(&page(ROOM)).await.unwrap();
    assert_eq!(page.chunk.len(), 2);
    assert_eq!(page.chunk[0].get(), deep);
}

#[tokio::test]
async fn state_is_raw() {
    let (server, client) = answering(json_body(r#"[{"type":1},"odd"]"#)).await;
    let state = client.state("!12:x", None).await.unwrap();
    assert_eq!(
        state.iter().map(|e| e.get()).collect::<Vec<_>>(),
        [r#"{"type":1}"#, r#""odd""#]
    );
    let asked = &server.received_requests().await.unwrap()[0];
    assert_eq!(asked.url.path(), "/_matrix/client/v3/rooms/!12:x/state");
    assert_eq!(asked.url.query(), None);
}

#[tokio::test]
async fn members_survive_a_hostile_profile_and_a_hostile_id() {
    let joined = json!({"joined": {
        BOT: {"display_name": {"not": "a name"}, "avatar_url": 7},
        "@nul\0:lab.local": {},
        "nobody": {},
    }});
    let (_server, client) = answering(json_body(joined.to_string())).await;
    assert_eq!(client.joined_members(ROOM, None).await.unwrap(), [BOT]);
}

#[tokio::test]
async fn joined_rooms_know_both_forms_of_room_id() {
    let rooms = r#"{"joined_rooms":["!old:lab.local","!new_without_server","@user:x"]}"#;
    let (_server, client) = answering(json_body(rooms)).await;
    let rooms = client.joined_rooms(Some(BOT)).await.unwrap();
    assert_eq!(rooms, ["!old:lab.local", "!new_without_server"]);
}

#[tokio::test]
async fn the_account_calls() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/_matrix/client/v3/account/whoami"))
        .and(query_param_is_missing("user_id"))
        .respond_with(json_body(r#"{"user_id":"@tributary:lab.local"}"#))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/_matrix/client/v1/appservice/tributary/ping"))
        .and(wiremock::matchers::body_json(
            json!({"transaction_id": "t1"}),
        ))
        .respond_with(json_body(r#"{"duration_ms":12}"#))
        .mount(&server)
        .await;
    Mock::given(path("/_matrix/client/versions"))
        .respond_with(json_body(r#"{"versions":["v1.12"],"unstable_features":7}"#))
        .mount(&server)
        .await;
    let client = client(&server.uri(), &CallLimits::default());
    assert_eq!(client.whoami(None).await.unwrap(), "@tributary:lab.local");
    assert_eq!(
        client.ping("tributary", "t1").await.unwrap(),
        Duration::from_millis(12)
    );
    assert_eq!(client.versions().await.unwrap(), ["v1.12"]);
    let requests = server.received_requests().await.unwrap();
    assert!(
        !requests[2].headers.contains_key("authorization"),
        "versions needs no token"
    );
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    let server = MockServer::start().await;
    Mock::given(path("/matrix/_matrix/client/versions"))
        .respond_with(json_body(r#"{"versions":[]}"#))
        .mount(&server)
        .await;
    let client = client(&format!("{}/matrix/", server.uri()), &CallLimits::default());
    assert!(client.versions().await.unwrap().is_empty());
}

#[tokio::test]
async fn hostile_ids_are_encoded_or_refused() {
    let (server, client) = answering(json_body("[]")).await;
    client
        .state("!a/../../x?y#z\r\n \u{e9}:lab", Some("@a&b=c d:lab.local"))
        .await
        .unwrap();
    let asked = &server.received_requests().await.unwrap()[0];
    assert_eq!(
        asked.url.path(),
        "/_matrix/client/v3/rooms/!a%2F..%2F..%2Fx%3Fy%23z%0D%0A%20%C3%A9:lab/state"
    );
    let user = asked
        .url
        .query_pairs()
        .map(|(k, v)| (k.into_owned(), v.into_owned()));
    assert_eq!(
        user.collect::<Vec<_>>(),
        [("user_id".to_owned(), "@a&b=c d:lab.local".to_owned())]
    );

    let too_long = format!("!{}", "a".repeat(300));
    for room in [
        "",
        "room",
        "@user:lab.local",
        "!nul\0",
        "!a%2Fb:lab.local",
        &too_long,
    ] {
        let error = client.state(room, None).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Invalid("room id")),
            "{room:?}: {error}"
        );
        assert_eq!(error.retry(), Retry::No);
    }
    for user in ["", "bot", "@bot", "@nul\0:lab.local", "@bot:lab.local\r\n"] {
        let error = client.state(ROOM, Some(user)).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Invalid("user id")),
            "{user:?}: {error}"
        );
    }
    let token = "t".repeat(1 << 20);
    let query = MessagesQuery {
        from: Some(&token),
        ..page(ROOM)
    };
    assert!(matches!(
        client.messages(&query).await,
        Err(ClientError::Invalid("request"))
    ));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_429_says_when_to_come_back() {
    let limited =
        |body: &str| ResponseTemplate::new(429).set_body_raw(body.to_owned(), "application/json");
    let in_body = limited(r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#);
    let cases = [
        (in_body.clone(), Retry::After(Duration::from_millis(1500))),
        (
            in_body.insert_header("retry-after", "2"),
            Retry::After(Duration::from_secs(2)),
        ),
        (
            limited("busy").insert_header("retry-after", " 7 "),
            Retry::After(Duration::from_secs(7)),
        ),
        (limited(r#"{"retry_after_ms":1e300}"#), Retry::Later),
        (limited(r#"{"retry_after_ms":-5}"#), Retry::Later),
        (limited(r#"{"retry_after_ms":"soon"}"#), Retry::Later),
        (
            limited("{}").insert_header("retry-after", "999999999"),
            Retry::After(Duration::from_hours(1)),
        ),
        (
            limited("{}").insert_header("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            Retry::Later,
        ),
    ];
    for (answer, expected) in cases {
        let (_server, client) = answering(answer).await;
        let error = client.whoami(None).await.unwrap_err();
        assert!(matches!(error, ClientError::RateLimited { .. }), "{error}");
        assert_eq!(error.retry(), expected);
    }
}

#[tokio::test]
async fn refusals_have_their_own_names() {
    let cases = [
        (
            403,
            r#"{"errcode":"M_FORBIDDEN"}"#,
            "the homeserver forbids it",
            Retry::No,
        ),
        (
            404,
            r#"{"errcode":"M_NOT_FOUND"}"#,
            "the homeserver does not know it",
            Retry::No,
        ),
        (
            404,
            r#"{"errcode":"M_UNRECOGNIZED"}"#,
            "answered 404 M_UNRECOGNIZED",
            Retry::No,
        ),
        (404, "<html>", "the homeserver answered 404", Retry::Later),
        (
            401,
            r#"{"errcode":"M_UNKNOWN_TOKEN"}"#,
            "does not accept the as_token",
            Retry::Later,
        ),
        (204, "", "the homeserver answered 204", Retry::Later),
        (206, "a part", "the homeserver answered 206", Retry::Later),
        (500, "", "the homeserver answered 500", Retry::Later),
        (
            502,
            r#"{"errcode":"M_BAD_STATUS"}"#,
            "answered 502 M_BAD_STATUS",
            Retry::Later,
        ),
        (
            502,
            r#"{"errcode":"M_BAD_STATUS","status":403,"body":"a secret"}"#,
            "the homeserver's ping was answered with 403",
            Retry::Later,
        ),
        (
            400,
            r#"{"errcode":"M_URL_NOT_SET"}"#,
            "answered 400 M_URL_NOT_SET",
            Retry::No,
        ),
        (
            400,
            r#"{"errcode":"a secret in here"}"#,
            "the homeserver answered 400",
            Retry::Later,
        ),
    ];
    for (status, body, words, retry) in cases {
        let (_server, client) =
            answering(ResponseTemplate::new(status).set_body_string(body)).await;
        let error = client.ping("tributary", "t").await.unwrap_err();
        assert!(
            error.to_string().ends_with(words),
            "{status} {body}: {error}"
        );
        assert_eq!(error.retry(), retry, "{status} {body}");
    }
}

#[tokio::test]
async fn a_success_must_be_understood() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"user_id":7}"#,
        r#"{"user_id":"nobody"}"#,
    ] {
        let (_server, client) = answering(json_body(body)).await;
        let error = client.whoami(None).await.unwrap_err();
        assert!(matches!(error, ClientError::Malformed), "{body}: {error}");
        assert_eq!(error.retry(), Retry::Later);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, _) = answering(json_body(r#"{"user_id":"@evil:x"}"#)).await;
    let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    let (_server, client) = answering(redirect).await;
    let error = client.whoami(None).await.unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Matrix {
                status: 307,
                errcode: None
            }
        ),
        "{error}"
    );
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_too_long_is_not_read() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(json_body(format!("[{}]", " ".repeat(1000))))
        .mount(&server)
        .await;
    let limited = |max_list_bytes| {
        client(
            &server.uri(),
            &CallLimits {
                max_list_bytes,
                ..CallLimits::default()
            },
        )
    };
    assert!(limited(1002).state(ROOM, None).await.unwrap().is_empty());
    let error = limited(1001).state(ROOM, None).await.unwrap_err();
    assert!(
        matches!(error, ClientError::TooLarge { max_bytes: 1001 }),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::No);
}

#[tokio::test]
async fn an_endless_error_is_still_its_status() {
    let answer = ResponseTemplate::new(503).set_body_string("x".repeat(1 << 20));
    let (_server, client) = answering(answer).await;
    let error = client.whoami(None).await.unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Matrix {
                status: 503,
                errcode: None
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_hang_ends() {
    let server = MockServer::start().await;
    let late = json_body("[]").set_delay(Duration::from_hours(1));
    Mock::given(any()).respond_with(late).mount(&server).await;
    let call_timeout = Duration::from_millis(100);
    let client = client(
        &server.uri(),
        &CallLimits {
            call_timeout,
            ..CallLimits::default()
        },
    );
    let error = client.state(ROOM, None).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable(why) if why == "no answer in time"));
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let read = socket.read(&mut [0; 4096]).await.unwrap();
        assert!(read > 0);
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[{}";
        socket.write_all(half.as_bytes()).await.unwrap();
    });
    let error = client(&uri, &CallLimits::default())
        .state(ROOM, None)
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn no_error_tells_the_token_or_the_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(&format!("http://{address}"), &CallLimits::default());
    let error = client.messages(&page(ROOM)).await.unwrap_err();
    let told = format!("{error} {error:?} {client:?}");
    assert!(told.contains("refused"), "{told}");
    for secret in [TOKEN, &address.port().to_string(), "user_id"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn only_a_plain_base_url_and_a_usable_token_are_taken() {
    let new = |url: &str, token: &str| {
        let url = url.parse().unwrap();
        let config = config::Homeserver {
            url,
            server_name: "lab.local".to_owned(),
        };
        Homeserver::new(
            &config,
            SecretString::from(token.to_owned()),
            &CallLimits::default(),
        )
    };
    assert!(new("https://matrix.lab.local", TOKEN).is_ok());
    for url in [
        "ftp://lab.local",
        "http://me:secret@lab.local",
        "http://lab.local/?a=b",
        "http://lab#f",
    ] {
        let error = new(url, TOKEN).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let error = new("http://lab.local", "line\nbreak").unwrap_err();
    assert!(!error.to_string().contains("break"));
}

#[tokio::test]
async fn the_time_there_is_what_an_answer_says() {
    let answer = |date: &str| json_body(r#"{"versions":[]}"#).insert_header("date", date);
    for (date, expected) in [
        (
            "Sat, 21 Nov 2026 03:14:30 GMT",
            Some("2026-11-21T03:14:30+00:00"),
        ),
        ("yesterday", None),
    ] {
        let (_server, client) = answering(answer(date)).await;
        let told = client.date().await.unwrap().map(|date| date.to_rfc3339());
        assert_eq!(told.as_deref(), expected);
    }
}

#[tokio::test]
async fn whoever_has_no_profile_is_not_registered() {
    for (status, body, expected) in [
        (200, "{}", Some(true)),
        (404, r#"{"errcode":"M_NOT_FOUND"}"#, Some(false)),
        (404, r#"{"errcode":"M_UNKNOWN"}"#, Some(false)),
        (403, r#"{"errcode":"M_FORBIDDEN"}"#, None),
    ] {
        let (_server, client) =
            answering(ResponseTemplate::new(status).set_body_string(body)).await;
        assert_eq!(client.is_registered(BOT).await.ok(), expected);
    }
}

//! The homeserver's token.

use reqwest::Method;

use crate::api::app::{Answer, HS_TOKEN, TestApp};

const PATHS: [(&str, &str); 8] = [
    ("PUT", "/_matrix/app/v1/transactions/1"),
    ("PUT", "/transactions/1"),
    ("GET", "/_matrix/app/v1/users/@tributary:lab.local"),
    ("GET", "/users/@tributary:lab.local"),
    ("GET", "/_matrix/app/v1/rooms/%23a:lab.local"),
    ("GET", "/rooms/%23a:lab.local"),
    ("POST", "/_matrix/app/v1/ping"),
    ("GET", "/_matrix/app/v1/thirdparty/user"),
];

async fn answer(app: &TestApp, method: &str, path: &str, header: Option<&str>) -> (u16, String) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = app.request(method, path);
    if let Some(token) = header {
        request = request.bearer_auth(token);
    }
    let answer = Answer::of(request).await;
    (answer.status, answer.errcode())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_told_nothing() {
    let app = TestApp::start().await;
    for (method, path) in PATHS {
        let unauthorized = (401, "M_UNAUTHORIZED".to_owned());
        assert_eq!(
            answer(&app, method, path, None).await,
            unauthorized,
            "{path}"
        );
        let forbidden = (403, "M_FORBIDDEN".to_owned());
        assert_eq!(
            answer(&app, method, path, Some("x")).await,
            forbidden,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_in_the_query_counts_only_where_it_is_switched_on() {
    let right = format!("/_matrix/app/v1/thirdparty/user?access_token={HS_TOKEN}");
    let wrong = "/_matrix/app/v1/thirdparty/user?access_token=x".to_owned();
    let twice = format!("{right}&access_token=x");
    let off = TestApp::start().await;
    let on = TestApp::with(|config| config.appservice.legacy_query_auth = true).await;
    for (app, path, header, status) in [
        (&off, &right, None, 401),
        (&off, &right, Some(HS_TOKEN), 404),
        (&off, &wrong, Some(HS_TOKEN), 403),
        (&on, &right, None, 404),
        (&on, &right, Some(HS_TOKEN), 404),
        (&on, &right, Some("x"), 403),
        (&on, &wrong, Some(HS_TOKEN), 403),
        (&on, &wrong, None, 403),
        (&on, &twice, None, 403),
    ] {
        let answered = answer(app, "GET", path, header).await;
        assert_eq!(answered.0, status, "{path} {header:?}");
    }
}

/// A body that never comes is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_body_is_read_before_the_token() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = TestApp::start().await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nhost: x\r\n\
                content-length: 1000000\r\nauthorization: Bearer x\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
}

//! The stack around endpoints that misbehave.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, to_bytes},
    http::StatusCode,
    routing::get,
};
use serde_json::Value;
use tower::ServiceExt as _;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

async fn ask(router: Router, uri: &str) -> (StatusCode, Value) {
    let request = Request::get(uri)
        .header("authorization", "Bearer secret-header")
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn panics() -> StatusCode {
    panic!("the secret of it")
}

#[tokio::test]
async fn a_panic_is_answered_without_its_text() {
    let router = all(Router::new().route("/", get(panics)), &Proxies::default());
    let (status, problem) = ask(router, "/").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("secret"));
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let router = Router::new()
        .route("/", get(std::future::pending::<StatusCode>))
        .layer(from_fn(|request, next| {
            within(Duration::from_millis(5), request, next)
        }));
    let (status, problem) = ask(router, "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["code"], "unavailable");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_names_the_route_and_nothing_that_could_be_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let router = Router::new().route("/users/{id}", get(|| async { StatusCode::CREATED }));
    let router = all(router, &Proxies::default());
    // A callsite that another test's thread, which has no subscriber, hit first
    // stays off: once all of them are known, they are asked again from this one.
    ask(router.clone(), "/users/0").await;
    tracing::callsite::rebuild_interest_cache();
    ask(
        router,
        "/users/secret-id?access_token=secret-query&ticket=secret-ticket",
    )
    .await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("/users/{id}") && log.contains("GET") && log.contains("201"),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}

/// The id in the answer to a request with this one, from this peer.
async fn answered_id(peer: &str, id: &str) -> String {
    let proxies = Proxies::new(&["10.0.0.0/8".to_owned()]);
    let router = all(Router::new().route("/", get(|| async {})), &proxies);
    let peer: std::net::SocketAddr = peer.parse().unwrap();
    let request = Request::get("/")
        .header(trace::REQUEST_ID, id)
        .extension(axum::extract::ConnectInfo(peer))
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let id = &response.headers()[trace::REQUEST_ID];
    id.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_has_the_name_that_a_trusted_proxy_gave_it() {
    let given = "4bf92f35-77b3.4da6_A";
    assert_eq!(answered_id("10.1.2.3:4", given).await, given);
    let longest = "a".repeat(64);
    assert_eq!(answered_id("10.1.2.3:4", &longest).await, longest);
    let too_long = "a".repeat(65);
    for (peer, id) in [
        ("9.9.9.9:4", given),
        ("10.1.2.3:4", ""),
        ("10.1.2.3:4", "a b"),
        ("10.1.2.3:4", "a\"} forged"),
        ("10.1.2.3:4", &too_long),
    ] {
        let own = answered_id(peer, id).await;
        assert!(own.parse::<uuid::Uuid>().is_ok(), "{peer} {id}: {own}");
    }
}

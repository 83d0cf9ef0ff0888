//! What several tests need.

pub(crate) mod app;
pub(crate) mod cluster;
pub(crate) mod discovery;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod ownership;
pub(crate) mod pooler;
pub(crate) mod postgres;
pub(crate) mod pushes;
pub(crate) mod server;
pub(crate) mod walking;
pub(crate) mod world;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tributary::{api, app::App};

/// Serves an app's API for as long as the test runs; the URL it is at.
pub(crate) async fn serve(app: &Arc<App>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let service = api::router(Arc::clone(app)).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    base
}

/// An address of a program that is about to start. Free now; nobody else takes one below the
/// range of outgoing connections, and no other test gets the same.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random()));
    loop {
        let port = 20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000;
        if let Ok(listener) = std::net::TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// The `limits` of a configuration: tests are all at one address, and faster than people.
pub(crate) fn generous_limits() -> Value {
    json!({"per_ip_per_second": 100_000, "per_user_per_second": 100_000, "burst": 100_000})
}

/// Asks until there is an answer, and fails the test when there is none in time. What passes
/// waits no longer than it has to: a busy machine needs this to start a program, or to migrate.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl FnMut() -> F,
) -> T {
    within(Duration::from_mins(1), what, ask).await
}

/// The same with another deadline.
pub(crate) async fn within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

//! What several tests need.

pub(crate) mod app;
pub(crate) mod discovery;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod ownership;
pub(crate) mod postgres;
pub(crate) mod pushes;
pub(crate) mod server;
pub(crate) mod walking;
pub(crate) mod world;

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep};

/// Asks until there is an answer, and fails the test when there is none in time.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

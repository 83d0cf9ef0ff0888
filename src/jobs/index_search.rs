//! Keeps the index of the search up to date.
//!
//! No job of the table: what is to be done stands in `search_queue`, and whichever replica
//! takes the turn does it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{db::Database, search::index};

/// Between two looks when there is nothing to do.
const EVERY: Duration = Duration::from_secs(1);

/// Puts messages into the index until `stop`.
pub async fn run(db: Database, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match index::step(&db).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the index of the search lags behind"),
        }
        stop.run_until_cancelled(tokio::time::sleep(EVERY)).await;
    }
}

//! Waiting for a database that is not there yet: after a power cut both start at once.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::Urls;
use crate::{config, db};

/// Between two tries, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// So many reasons are told in one wait.
const MOST_TOLD: usize = 8;

/// Waits until the database lets us in. It tells once what it waits for, and what else turns up.
///
/// # Errors
///
/// When the database refuses us, or is not what the configuration says: waiting changes
/// nothing in that.
pub(super) async fn database(config: &config::Database, urls: &Urls) -> anyhow::Result<()> {
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    let mut told = BTreeSet::new();
    while let Some((key, error)) = missing(config, urls).await {
        if !error.is_away() {
            return Err(error).context(key);
        }
        let reason = error.to_string();
        // They come by turns: a server that is starting refuses, hangs up, and says that it starts.
        if told.len() < MOST_TOLD && told.insert(reason.clone()) {
            tracing::warn!(key, "waiting: {reason}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    if !told.is_empty() {
        let waited_ms = began.elapsed().as_millis();
        tracing::info!(waited_ms, "the database is there");
    }
    Ok(())
}

/// Whether the database is away at this moment.
pub(super) async fn is_away(config: &config::Database, urls: &Urls) -> bool {
    matches!(missing(config, urls).await, Some((_, error)) if error.is_away())
}

/// The first way to the database that leads nowhere, by its key.
async fn missing(
    config: &config::Database,
    urls: &Urls,
) -> Option<(&'static str, db::Unreachable)> {
    if let Err(error) = db::reach(&urls.direct).await {
        return Some((config.direct_key(), error));
    }
    config.direct_url.as_ref()?;
    let error = db::reach(&urls.pooled).await.err()?;
    Some(("database.url", error))
}

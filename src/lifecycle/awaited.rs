//! Waiting for a database that is not there yet: after a power cut both start at once.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::Urls;
use crate::{config, db};

/// Between two tries, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// At most, when it was there a moment ago.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// So many reasons are told in one wait.
const MOST_TOLD: usize = 8;

/// Trying again, less and less often, and saying why.
pub(super) struct Wait {
    pause: Duration,
    longest: Duration,
    told: BTreeSet<String>,
}

impl Wait {
    fn new(longest: Duration) -> Self {
        Self {
            pause: FIRST_PAUSE,
            longest,
            told: BTreeSet::new(),
        }
    }

    /// For more of a database that has let us in.
    pub(super) fn for_more() -> Self {
        Self::new(LONGEST_GAP)
    }

    /// The reason, if it is to be told. They come by turns: a server that is starting refuses,
    /// hangs up, and says that it starts.
    pub(super) fn news(&mut self, reason: String) -> Option<String> {
        let is_new = self.told.len() < MOST_TOLD && self.told.insert(reason.clone());
        is_new.then_some(reason)
    }

    /// Until the next try.
    pub(super) async fn pause(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(self.longest);
    }
}

/// Waits until the database lets us in. It tells once what it waits for, and what else turns up.
///
/// # Errors
///
/// When the database refuses us, or is not what the configuration says: waiting changes
/// nothing in that.
pub(super) async fn database(config: &config::Database, urls: &Urls) -> anyhow::Result<()> {
    let (began, mut wait) = (Instant::now(), Wait::new(LONGEST_PAUSE));
    while let Some((key, error)) = missing(config, urls).await {
        if !error.is_away() {
            return Err(error).context(key);
        }
        if let Some(reason) = wait.news(error.to_string()) {
            tracing::warn!(key, "waiting: {reason}");
        }
        wait.pause().await;
    }
    if !wait.told.is_empty() {
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

//! Clerk's keys, fetched when they are needed and kept when they can't be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::StatusCode;
use tokio::sync::{Mutex, OwnedMutexGuard};
use url::Url;

use super::jwks::{self, KeysById};
use crate::{
    auth::{
        fetch::{FetchError, Fetcher, Limits},
        rsa::PublicKey,
    },
    clock::Clock,
    meters::{meters, seconds},
};

/// A set older than this is fetched again before it is relied on.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// Between a fetch that did not bring what was wanted, or failed, and the next one.
const COOLDOWN: TimeDelta = TimeDelta::seconds(30);

/// What one fetch may cost.
pub(super) const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(5),
    max_bytes: 1024 * 1024,
};

/// Whether Clerk's keys can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The last fetch succeeded, or none was ever needed.
    Up,
    /// The last fetch failed; keys from before are still used.
    Down,
}

/// Why there is no key of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The set does not have it.
    Unknown,
    /// The set could not be had, so nobody knows.
    Unavailable,
}

/// Why a set of keys could not be had. Names no URL.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Another answer than 200.
    #[error("status {0}")]
    Status(StatusCode),
    /// Something else than a set, or one without a key for RS256.
    #[error("no usable key in the answer")]
    NoKeys,
}

#[derive(Default)]
struct Cached {
    keys: KeysById,
    fetched_at: Option<DateTime<Utc>>,
}

/// When the last fetch began that was in vain; held locked while one is under way, so that
/// there is only one.
type Gate = Mutex<Option<DateTime<Utc>>>;

/// A key set at a URL.
pub(super) struct KeySet {
    url: Url,
    fetcher: Fetcher,
    clock: Clock,
    cached: ArcSwap<Cached>,
    gate: Arc<Gate>,
    down: AtomicBool,
}

impl KeySet {
    pub(super) fn new(url: Url, fetcher: Fetcher, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            url,
            fetcher,
            clock,
            cached: ArcSwap::default(),
            gate: Arc::default(),
            down: AtomicBool::new(false),
        })
    }

    /// The key named `kid`, of a fresh set if there can be one.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<Arc<PublicKey>, NoKey> {
        let cached = self.cached.load_full();
        let gate = Arc::clone(&self.gate);
        let gate = match cached.keys.get(kid) {
            Some(key) if self.is_recent(cached.fetched_at, FRESH) => return Ok(Arc::clone(key)),
            // Somebody is already asking: one caller waits for Clerk, not all of them.
            Some(stale) => match gate.try_lock_owned() {
                Ok(gate) => gate,
                Err(_) => return Ok(Arc::clone(stale)),
            },
            None => gate.lock_owned().await,
        };
        self.refresh(gate, &cached, Some(kid)).await;
        let found = self.cached.load().keys.get(kid).map(Arc::clone);
        found.ok_or(match self.health() {
            Health::Up => NoKey::Unknown,
            Health::Down => NoKey::Unavailable,
        })
    }

    /// Fetches the set unless it is fresh or was asked for just now.
    pub(super) async fn load(self: &Arc<Self>) -> Health {
        let gate = Arc::clone(&self.gate).lock_owned().await;
        let cached = self.cached.load_full();
        if !self.is_recent(cached.fetched_at, FRESH) {
            self.refresh(gate, &cached, None).await;
        }
        self.health()
    }

    pub(super) fn health(&self) -> Health {
        if self.down.load(Ordering::Relaxed) {
            Health::Down
        } else {
            Health::Up
        }
    }

    /// Fetches the set instead of the one that was `seen`, for the key that is `wanted`: a name
    /// that nobody knows costs a fetch each [`COOLDOWN`], a key that has just been made none of it.
    async fn refresh(
        self: &Arc<Self>,
        mut gate: OwnedMutexGuard<Option<DateTime<Utc>>>,
        seen: &Arc<Cached>,
        wanted: Option<&str>,
    ) {
        // Whoever was waited for has fetched it, or in vain.
        let is_replaced = !Arc::ptr_eq(&self.cached.load(), seen);
        if is_replaced || self.is_recent(*gate, COOLDOWN) {
            return;
        }
        *gate = Some(self.clock.now());
        let this = Arc::clone(self);
        let wanted = wanted.map(str::to_owned);
        // In a task of its own: a caller that hangs up must not take along the answer that
        // the others wait for. If the task panics, the set stays as it was.
        let fetch = tokio::spawn(async move {
            let fetched = this.replace().await;
            let brought = |keys: &KeysById| wanted.is_none_or(|kid| keys.contains_key(&kid));
            if fetched && brought(&this.cached.load().keys) {
                *gate = None;
            }
            drop(gate);
        });
        if fetch.await.is_err() {
            self.down.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there is a new set.
    async fn replace(&self) -> bool {
        match self.fetch().await {
            Ok(keys) => {
                self.cached.store(Arc::new(Cached {
                    keys,
                    fetched_at: Some(self.clock.now()),
                }));
                self.down.store(false, Ordering::Relaxed);
                meters().clerk_fetches.of("ok").increment(1);
                let now = seconds(self.clock.now());
                meters().clerk_fetched_at.set(now);
                true
            }
            Err(error) => {
                meters().clerk_fetches.of("failed").increment(1);
                self.down.store(true, Ordering::Relaxed);
                tracing::warn!(%error, "Clerk's keys could not be fetched");
                false
            }
        }
    }

    /// Where it is.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// How many keys there are now. Asks, and keeps nothing.
    pub(super) async fn count(&self) -> Result<usize, RefreshError> {
        self.fetch().await.map(|keys| keys.len())
    }

    async fn fetch(&self) -> Result<KeysById, RefreshError> {
        let answer = self.fetcher.get(&self.url).await?;
        if answer.status != StatusCode::OK {
            return Err(RefreshError::Status(answer.status));
        }
        jwks::parse(&answer.body).ok_or(RefreshError::NoKeys)
    }

    /// A time ahead of the clock is not recent: the clock was set back, who knows how far.
    fn is_recent(&self, at: Option<DateTime<Utc>>, span: TimeDelta) -> bool {
        let now = self.clock.now();
        at.is_some_and(|at| at <= now && now - at < span)
    }
}

#[cfg(test)]
mod tests;

//! What the endpoints, the sockets and the jobs have in common.

use std::{ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Accounts,
    auth::{api_keys::ApiKeyRing, clerk::Verifier, hs_token::HsToken},
    clock::Clock,
    config::Config,
    db::Database,
    health::HealthState,
    ingest::Ingest,
    matrix::bridges::Bridges,
    stream::Feed,
};

/// Everything that a request may need.
pub struct App {
    /// The effective configuration.
    pub config: Config,
    /// Postgres.
    pub db: Database,
    /// The configured bridges.
    pub bridges: Arc<Bridges>,
    /// Takes transactions in.
    pub ingest: Ingest,
    /// Knows who owns which Matrix user.
    pub accounts: Accounts,
    /// Tells sockets that there is something new.
    pub feed: Feed,
    /// Knows Clerk's session tokens.
    pub clerk: Verifier,
    /// Knows the homeserver.
    pub hs_token: HsToken,
    /// Knows the desktop companion.
    pub manager_keys: ApiKeyRing,
    /// Knows the operator.
    pub admin_keys: ApiKeyRing,
    /// Knows each bridge by its `as_token`: the bridge's id, and its token.
    pub bridge_keys: Vec<(String, ApiKeyRing)>,
    /// What was last seen of the homeserver.
    pub health: HealthState,
    /// The time.
    pub clock: Clock,
    /// Cancelled when Tributary stops: sockets close, nothing new begins.
    pub stop: CancellationToken,
}

/// The [`App`], as handlers extract it.
#[derive(Clone)]
pub struct AppState(pub Arc<App>);

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

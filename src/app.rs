//! What the endpoints, the sockets and the jobs have in common.

use std::{mem, ops::Deref, sync::Arc};

use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Accounts,
    auth::{
        api_keys::ApiKeyRing, clerk::Verifier, hs_token::HsToken, openid::OpenId, svix,
        tickets::TicketKey,
    },
    clock::Clock,
    config::{self, Config},
    db::Database,
    gauges::Gauges,
    health::HealthState,
    ingest::{Ingest, shared_time::SharedTime},
    limits::Limits,
    matrix::bridges::Bridges,
    media::Store,
    operator::Operator,
    sessions::Sessions,
    stream::Feed,
    thumbnails::Studio,
};

/// Everything that a request may need.
pub struct App {
    /// The effective configuration, without the manager's and the operator's keys.
    pub config: Config,
    /// Postgres.
    pub db: Database,
    /// The configured bridges.
    pub bridges: Arc<Bridges>,
    /// Takes transactions in.
    pub ingest: Ingest,
    /// Knows who owns which Matrix user.
    pub accounts: Accounts,
    /// Does what the operator asks for.
    pub operator: Operator,
    /// Keeps files.
    pub media: Store,
    /// Reads what has to be asked for to be known.
    pub gauges: Gauges,
    /// Tells sockets that there is something new.
    pub feed: Feed,
    /// Counts what addresses and users ask for.
    pub limits: Limits,
    /// Knows Clerk's session tokens.
    pub clerk: Verifier,
    /// Knows which of Clerk's sessions are over.
    pub sessions: Sessions,
    /// Knows Clerk's webhooks; none when their secret is not configured.
    pub webhook: Option<svix::Secret>,
    /// Knows the homeserver.
    pub hs_token: HsToken,
    /// Knows the desktop companion.
    pub manager_keys: ApiKeyRing,
    /// Knows the operator.
    pub admin_keys: ApiKeyRing,
    /// Knows each bridge by its `as_token`: the bridge's id, and its token.
    pub bridge_keys: Vec<(String, ApiKeyRing)>,
    /// Signs media tickets; read from Postgres when the first one is asked for.
    pub ticket_key: OnceCell<TicketKey>,
    /// Makes thumbnails, few at a time.
    pub studio: Studio,
    /// What was last seen of the homeserver.
    pub health: HealthState,
    /// What keeps the time that receipts are counted by.
    pub shared_time: SharedTime,
    /// The time.
    pub clock: Clock,
    /// Cancelled when Tributary stops: sockets close, nothing new begins.
    pub stop: CancellationToken,
}

/// What the registration says of Tributary itself.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The Matrix id of the registration's `sender_localpart`.
    pub sender_bot: String,
    /// The token by which the homeserver is known.
    pub hs_token: SecretString,
}

impl App {
    /// Puts an app together; nothing is asked or connected to yet.
    ///
    /// # Errors
    ///
    /// When a key, a pattern or a URL of the configuration cannot be used.
    pub fn new(
        mut config: Config,
        identity: &Identity,
        db: Database,
        feed: Feed,
        clock: Clock,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let bridges = Arc::new(Bridges::new(&config.bridges, identity.sender_bot.clone())?);
        let shared_time = SharedTime::new(db.clone(), clock.clone());
        let ingest = Ingest {
            db: db.clone(),
            bridges: Arc::clone(&bridges),
            clock: shared_time.clock(),
            feed: feed.clone(),
            jobs: Arc::default(),
        };
        let openid = OpenId::new(&config.homeserver)?;
        let verifier = Verifier::new(&config.clerk, clock.clone())?;
        let webhook = config.clerk.webhook_secret.as_ref();
        let key_of = |bridge: &config::Bridge| {
            let token = bridge.as_token.clone()?;
            Some((
                bridge.id.clone(),
                ApiKeyRing::new(&config::ApiKeys(vec![token])),
            ))
        };
        let media = Store::open(&config.media)?;
        // Nobody needs them again: what remains in memory are the hashes.
        config.media.secret_access_key = None;
        let manager_keys = ApiKeyRing::new(&mem::take(&mut config.manager.api_key));
        let admin_keys = ApiKeyRing::new(&mem::take(&mut config.admin.api_key));
        Ok(Self {
            accounts: Accounts::new(&config, ingest.clone(), openid),
            operator: Operator::new(&config, ingest.clone()),
            sessions: Sessions::new(
                &config.clerk,
                db.clone(),
                verifier.ended().clone(),
                feed.clone(),
                clock.clone(),
            ),
            clerk: verifier,
            webhook: webhook.map(svix::Secret::parse).transpose()?,
            limits: Limits::new(&config.limits, &config.server.trusted_proxies),
            hs_token: HsToken::new(&identity.hs_token),
            manager_keys,
            admin_keys,
            bridge_keys: config.bridges.iter().filter_map(key_of).collect(),
            gauges: Gauges::new(db.clone(), clock.clone()),
            ticket_key: OnceCell::new(),
            studio: Studio::new(),
            health: HealthState::new(),
            media,
            config,
            db,
            bridges,
            ingest,
            feed,
            shared_time,
            clock,
            stop,
        })
    }
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

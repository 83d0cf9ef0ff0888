//! The life of a serving process: what is started, in which order, and how it ends.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    app::{App, Identity},
    clock::Clock,
    config::Config,
    db::{self, Database},
    erasure::Erasure,
    jobs::{
        self, Handlers, KindLimits, Runner, Timing, Waker, ask_bridge::AskBridge,
        media_watch::MediaWatch, silence::Rhythm,
    },
    matrix::{
        client::{CallLimits, Homeserver},
        provisioning::Provisioning,
        registration::Registration,
    },
    server,
    stream::Relay,
    ws,
};

/// How long sockets, requests and jobs have to end; the rest of the contract's
/// ten seconds is for the database.
const GRACE: Duration = Duration::from_secs(8);

/// Where the database is.
#[derive(Debug, Clone)]
pub struct Urls {
    /// For everything that a transaction pooler can carry.
    pub pooled: SecretString,
    /// For migrations and LISTEN, which need a session.
    pub direct: SecretString,
}

/// Serves until `stop` is cancelled, then drains: nothing new is accepted, the
/// transaction in hand is finished, sockets are closed with 1012.
///
/// # Errors
///
/// When something that it needs cannot be had at the start.
pub async fn serve(config: Config, urls: Urls, stop: CancellationToken) -> anyhow::Result<()> {
    for version in db::migrate(&urls.direct).await? {
        tracing::info!(version, "migration applied");
    }
    let registration = Registration::load(&config.appservice.registration)?;
    let identity = Identity {
        sender_bot: format!(
            "@{}:{}",
            registration.sender_localpart, config.homeserver.server_name
        ),
        hs_token: registration.hs_token.clone(),
    };
    let db = if config.database.direct_url.is_some() {
        Database::behind_pooler(&urls.pooled, config.database.pool_size)?
    } else {
        Database::new(&urls.pooled, config.database.pool_size)?
    };
    let (feed, relay) = Relay::new();
    let app = App::new(config, &identity, db, feed, Clock::system(), stop.clone())?;
    let app = Arc::new(app);
    let homeserver = Homeserver::new(
        &app.config.homeserver,
        registration.as_token.clone(),
        &CallLimits::default(),
    )?;
    let asker = AskBridge {
        accounts: app.accounts.clone(),
        provisioning: Provisioning::new(&app.config.bridges)?,
    };
    // Before the first token is looked at.
    app.sessions
        .refresh()
        .await
        .context("the sessions that ended cannot be read")?;
    server::raise_descriptors();
    let settings = server::Settings::new(&app.config.server.trusted_proxies);
    let hub = ws::Hub::with_places(settings.most_sockets());
    let router = api::router_beside(Arc::clone(&app), ws::description())
        .merge(ws::router(Arc::clone(&app), hub.clone()));
    let listener = TcpListener::bind(app.config.server.bind)
        .await
        .with_context(|| format!("cannot listen on {}", app.config.server.bind))?;

    let mut tasks = JoinSet::new();
    tasks.spawn(relay.run(app.db.clone(), urls.direct, stop.clone()));
    tasks.spawn(runner(&app, &homeserver, &asker, &stop).run());
    tasks.spawn(jobs::silence::run(
        Arc::clone(&app),
        asker,
        Rhythm::default(),
        stop.clone(),
    ));
    tasks.spawn(jobs::watch::run(
        Arc::clone(&app),
        homeserver,
        registration.id,
        stop.clone(),
    ));
    let media = MediaWatch::new(app.ingest.clone(), app.config.media.on);
    tasks.spawn(media.run(stop.clone()));
    tasks.spawn(jobs::audit_retention::run(Arc::clone(&app), stop.clone()));
    tasks.spawn(jobs::index_search::run(app.db.clone(), stop.clone()));
    tasks.spawn(follow_sessions(Arc::clone(&app), hub.clone(), stop.clone()));
    tasks.spawn(server::serve(
        listener,
        router,
        settings.clone(),
        stop.clone(),
    ));
    if let Some(bind) = app.config.server.operator_bind {
        let listener = TcpListener::bind(bind)
            .await
            .with_context(|| format!("cannot listen on {bind}, server.operator_bind"))?;
        let router = api::operator_router(Arc::clone(&app));
        tasks.spawn(server::serve(
            listener,
            router,
            settings.clone(),
            stop.clone(),
        ));
    }
    tracing::info!(bind = %app.config.server.bind, "ready");

    stop.cancelled().await;
    tracing::info!("stopping");
    let drained = timeout(GRACE, async {
        hub.drained().await;
        while tasks.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!("some requests or jobs had to be broken off");
    }
    app.db.close();
    Ok(())
}

/// Hears of sessions that end, and closes their sockets.
async fn follow_sessions(app: Arc<App>, hub: ws::Hub, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = app.sessions.follow() => {}
        () = hub.follow(app.clerk.ended()) => {}
    }
}

fn runner(
    app: &App,
    homeserver: &Homeserver,
    asker: &AskBridge,
    stop: &CancellationToken,
) -> Runner {
    let limits = |concurrency| KindLimits {
        concurrency,
        max_attempts: None,
    };
    let mut handlers = Handlers::default()
        .with(
            jobs::discover::Discover {
                ingest: app.ingest.clone(),
                homeserver: homeserver.clone(),
                backfill: app.config.backfill.clone(),
            },
            limits(4),
        )
        .with(
            jobs::discover_bridge::DiscoverBridge {
                ingest: app.ingest.clone(),
                homeserver: homeserver.clone(),
            },
            limits(1),
        )
        .with(
            jobs::backfill::Backfill {
                ingest: app.ingest.clone(),
                homeserver: homeserver.clone(),
                page_size: app.config.backfill.page_size,
            },
            limits(app.config.backfill.concurrent_rooms),
        )
        .with(
            jobs::reconcile::Reconcile {
                ingest: app.ingest.clone(),
                homeserver: homeserver.clone(),
            },
            limits(2),
        )
        .with(asker.clone(), limits(4))
        .with(
            jobs::erase::Erase {
                erasure: Erasure::new(app.ingest.clone()),
            },
            limits(2),
        )
        .with(
            jobs::clear_media::ClearMedia {
                db: app.db.clone(),
                store: app.media.clone(),
                stale: jobs::clear_media::STALE,
            },
            limits(1),
        );
    if app.config.media.on {
        let archive = jobs::archive::Archive {
            ingest: app.ingest.clone(),
            homeserver: homeserver.clone(),
            store: app.media.clone(),
            config: app.config.media.clone(),
            rhythm: jobs::archive::Rhythm::default(),
        };
        handlers = handlers.with(archive, limits(1));
    }
    let waker = Waker::new(Arc::clone(&app.ingest.jobs));
    Runner::new(
        app.db.clone(),
        handlers,
        waker,
        Timing::default(),
        stop.clone(),
    )
}

//! The life of a serving process: what is started, in which order, and how it ends.

mod awaited;
mod doors;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use secrecy::SecretString;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{awaited::Wait, doors::Doors};
use crate::{
    api,
    app::{App, Identity},
    backup::tombstones::{self, Tombstone},
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
    meters::{TIDY_EVERY, meters},
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

/// Waits until the database is there, for as long as that takes, serves until `stop` is
/// cancelled, then drains: nothing new is accepted, the
/// transaction in hand is finished, sockets are closed with 1012.
///
/// # Errors
///
/// When something that it needs cannot be had at the start.
pub async fn serve(config: Config, urls: Urls, stop: CancellationToken) -> anyhow::Result<()> {
    let registration = Registration::load(&config.appservice.registration)?;
    let identity = identity(&config, &registration);
    let db = open(&config, &urls)?;
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
    server::raise_descriptors();
    let settings = server::Settings::new(&app.config.server.trusted_proxies);
    let mut tasks = JoinSet::new();
    let prepared = stop.child_token();
    let doors = Doors::open(&app.config.server)?;
    let doors = doors.wait(&mut tasks, &app, &settings, &prepared)?;
    let Some(ready) = stop.run_until_cancelled(prepare(&app, &urls)).await else {
        return drain(&app, None, tasks).await;
    };
    ready?;
    prepared.cancel();

    let hub = ws::Hub::with_places(settings.most_sockets());
    let sockets = api::Beside {
        router: ws::router(Arc::clone(&app), hub.clone()),
        description: Some(ws::description),
    };
    let router = api::router_beside(Arc::clone(&app), sockets);
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
    tasks.spawn(jobs::retention::run(Arc::clone(&app), stop.clone()));
    tasks.spawn(tidy_meters(stop.clone()));
    tasks.spawn(tombstones::run(Arc::clone(&app), stop.clone()));
    tasks.spawn(jobs::index_search::run(app.db.clone(), stop.clone()));
    tasks.spawn(follow_time(Arc::clone(&app), stop.clone()));
    tasks.spawn(follow_sessions(Arc::clone(&app), hub.clone(), stop.clone()));
    doors.serve(&mut tasks, &app, router, &settings);
    tracing::info!(bind = %app.config.server.bind, "ready");

    stop.cancelled().await;
    drain(&app, Some(hub), tasks).await
}

/// Lets what is in hand come to its end.
async fn drain(app: &App, hub: Option<ws::Hub>, mut tasks: JoinSet<()>) -> anyhow::Result<()> {
    tracing::info!("stopping");
    let drained = timeout(GRACE, async {
        if let Some(hub) = hub {
            hub.drained().await;
        }
        while tasks.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!("some requests or jobs had to be broken off");
    }
    app.db.close();
    Ok(())
}

/// The database, which need not be there yet.
fn open(config: &Config, urls: &Urls) -> anyhow::Result<Database> {
    if config.database.direct_url.is_some() {
        Database::behind_pooler(&urls.pooled, config.database.pool_size)
    } else {
        Database::new(&urls.pooled, config.database.pool_size)
    }
}

/// Waits until there is a database to serve from, and makes it one.
async fn prepare(app: &App, urls: &Urls) -> anyhow::Result<()> {
    let config = &app.config.database;
    let mut wait = Wait::for_more();
    loop {
        awaited::database(config, urls).await?;
        match make_ready(app, urls).await {
            // It may be back at the second look, or have room for one connection only.
            Err(error) if db::is_away(&error) || awaited::is_away(config, urls).await => {
                if let Some(reason) = wait.news(format!("{error:#}")) {
                    tracing::warn!("the database went away during the start: {reason}");
                }
                wait.pause().await;
            }
            done => return done,
        }
    }
}

async fn make_ready(app: &App, urls: &Urls) -> anyhow::Result<()> {
    let migrated = db::migrate(&urls.direct).await;
    for version in migrated.context(app.config.database.direct_key())? {
        tracing::info!(version, "migration applied");
    }
    ensure!(
        !db::backup::is_unfinished(&app.db).await?,
        "the restore of this database broke off, and who was erased since the backup may be in \
         it: restore into a new one"
    );
    if !app
        .db
        .has_statement_timeout()
        .await
        .context("database.url")?
    {
        tracing::warn!(
            "nothing ends a statement that runs for ever: behind a pooler that is for the role to \
             say (ALTER ROLE ... SET statement_timeout, see docs/postgres.md)"
        );
    }
    // Before the first token is looked at.
    app.sessions
        .refresh()
        .await
        .context("the sessions that ended cannot be read")?;
    // Before the first push is taken.
    app.shared_time
        .measure()
        .await
        .context("the database's clock cannot be read")
}

/// Keeps measurements from gathering while nobody asks for them.
async fn tidy_meters(stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(TIDY_EVERY))
        .await
        .is_some()
    {
        meters().tidy();
    }
}

/// Erases and disconnects again, in a restored database, what was since its backup. What is much
/// is left to the jobs of whoever serves next.
///
/// # Errors
///
/// When the configuration cannot be used or the database fails.
pub async fn erase_again(
    config: Config,
    direct_url: &SecretString,
    tombstones: Vec<Tombstone>,
) -> anyhow::Result<usize> {
    if tombstones.is_empty() {
        return Ok(0);
    }
    let identity = identity(
        &config,
        &Registration::load(&config.appservice.registration)?,
    );
    let db = Database::new(direct_url, config.database.pool_size)?;
    let (feed, _relay) = Relay::new();
    let stop = CancellationToken::new();
    let app = App::new(config, &identity, db, feed, Clock::system(), stop)?;
    let applied = tombstones::apply(&app, tombstones).await;
    app.db.close();
    applied
}

fn identity(config: &Config, registration: &Registration) -> Identity {
    Identity {
        sender_bot: format!(
            "@{}:{}",
            registration.sender_localpart, config.homeserver.server_name
        ),
        hs_token: registration.hs_token.clone(),
    }
}

/// Keeps the time that receipts are counted by.
async fn follow_time(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = app.shared_time.follow() => {}
    }
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

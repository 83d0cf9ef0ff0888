//! `run`: serves until it is told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{commands::postgres::Postgres, config::Config, db, telemetry};

/// Applies pending migrations and serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// When something that it needs cannot be started or stopped.
pub async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    let stop = StopSignal::listen()?;
    let postgres = Postgres::open(&config).await?;
    let served = serve(&config, &postgres, stop).await;
    postgres.close().await?;
    served
}

async fn serve(config: &Config, postgres: &Postgres, mut stop: StopSignal) -> anyhow::Result<()> {
    db::migrate(postgres.direct_url()).await?;
    tracing::info!(bind = %config.server.bind, "ready");
    stop.received().await;
    tracing::info!("stopping");
    Ok(())
}

/// SIGTERM and SIGINT, from the moment of listening on: one that comes during the start is
/// kept until somebody asks.
struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

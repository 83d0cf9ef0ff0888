//! `run`: serves until it is told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    commands::{check_config, postgres::Postgres},
    config::Config,
    lifecycle::{self, Urls},
    telemetry,
};

/// Applies pending migrations and serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// When the registration cannot be used, or something that it needs cannot be started or stopped.
pub async fn run(config: Config) -> anyhow::Result<()> {
    check_config::registration(&config)?;
    telemetry::init(&config.log)?;
    let mut signals = StopSignal::listen()?;
    let postgres = Postgres::open(&config).await?;
    let urls = Urls {
        pooled: postgres.url().clone(),
        direct: postgres.direct_url().clone(),
    };
    let stop = CancellationToken::new();
    let waiting = tokio::spawn({
        let stop = stop.clone();
        async move {
            signals.received().await;
            stop.cancel();
        }
    });
    let served = lifecycle::serve(config, urls, stop).await;
    waiting.abort();
    postgres.close().await?;
    served
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

//! Notices a bridge that is gone: connected, but no event comes, no status, and no answer.
//!
//! Messenger is quiet at night, so that nothing comes only makes Tributary ask. A bridge
//! that does not answer three times in a row counts as silent, until it answers, pushes a
//! status, or an event of it comes. What is known of it is in Postgres
//! (`tributary.bridges`): the replicas ask by turns, and agree.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::ask_bridge::{AskBridge, Asked};
use crate::{
    accounts::Error,
    app::App,
    config::Bridge,
    db::bridges::{self, Patience},
    matrix::provisioning::Unanswered,
    meters::meters,
};

/// The watch's times.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Between two looks at what is known of the bridges.
    pub look: Duration,
    /// Between two questions to a bridge of which nothing comes.
    pub pause: Duration,
    /// Questions in a row without an answer, after which a bridge counts as silent.
    pub most_misses: i32,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(3),
            pause: Duration::from_secs(10),
            most_misses: 3,
        }
    }
}

/// Watches the bridges that can be asked until `stop`.
pub async fn run(app: Arc<App>, asker: AskBridge, rhythm: Rhythm, stop: CancellationToken) {
    let watch = Watch {
        rhythm,
        listening_since: app.clock.now(),
        app,
        asker,
    };
    let mut is_start = true;
    loop {
        match watch.round(is_start).await {
            Ok(()) => is_start = false,
            Err(error) => tracing::warn!(%error, "nobody looks whether the bridges are there"),
        }
        let pause = tokio::time::sleep(rhythm.look);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

struct Watch {
    app: Arc<App>,
    asker: AskBridge,
    rhythm: Rhythm,
    listening_since: DateTime<Utc>,
}

impl Watch {
    async fn round(&self, is_start: bool) -> Result<(), Error> {
        for bridge in &self.app.config.bridges {
            if bridge.provisioning().is_none() {
                continue;
            }
            // What it said while nobody was here may be known to nobody.
            if is_start {
                self.app.accounts.ask_all(&bridge.id).await?;
            }
            self.look(bridge).await?;
        }
        self.app.accounts.show_silence().await
    }

    async fn look(&self, bridge: &Bridge) -> Result<(), Error> {
        let id = bridge.id.as_str();
        let quiet = Duration::from_secs(bridge.silent_after_seconds);
        let patience = Patience {
            quiet,
            pause: self.rhythm.pause.min(quiet),
            listening_since: self.listening_since,
        };
        let mut conn = self.app.db.get().await?;
        if let Some(since) = bridges::stirred(&mut conn, id).await? {
            tracing::info!(bridge_id = id, %since, "events of the bridge come again");
        }
        let to_ask = bridges::to_ask(&mut conn, id, patience).await?;
        // Nobody waits for a bridge with a connection in hand.
        drop(conn);
        if let Some(connection_id) = to_ask {
            self.ask(id, connection_id, quiet).await?;
        }
        self.measure(id).await
    }

    async fn ask(&self, id: &str, connection_id: uuid::Uuid, quiet: Duration) -> Result<(), Error> {
        match self.asker.ask(connection_id).await? {
            Asked::Unanswered(Unanswered::Silent(why)) => {
                let mut conn = self.app.db.get().await?;
                let since = bridges::missed(&mut conn, id, self.rhythm.most_misses, quiet).await?;
                if let Some(since) = since {
                    tracing::warn!(bridge_id = id, %since, why, "the bridge is silent");
                }
            }
            Asked::Unanswered(refused @ Unanswered::Refused(_)) => {
                // Somebody is there. More cannot be known before this is put right.
                tracing::warn!(bridge_id = id, error = %refused, "the bridge cannot be asked");
                self.app.accounts.bridge_heard(id).await?;
            }
            Asked::Confirmed | Asked::Overtaken => self.app.accounts.bridge_heard(id).await?,
            Asked::Moot => {}
        }
        Ok(())
    }

    async fn measure(&self, id: &str) -> Result<(), Error> {
        let mut conn = self.app.db.get().await?;
        let since = bridges::silent_since(&mut conn, id).await?;
        let silent = if since.is_some() { 1.0 } else { 0.0 };
        meters().bridge_silent.of(id).set(silent);
        Ok(())
    }
}

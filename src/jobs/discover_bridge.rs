//! Finds portals that nobody told Tributary of: the rooms of a bridge's bot.

use diesel_async::AsyncConnection as _;
use serde_json::Map;

use super::{Handler, Lease, Outcome, discover::Discover, retry};
use crate::{
    db::{
        self,
        jobs::{Job, NewJob, enqueue_shared},
        rooms,
    },
    ingest::Ingest,
    matrix::client::{ClientError, Homeserver},
};

/// The job `discover_bridge`; its key is the bridge's id.
pub struct DiscoverBridge {
    /// What stores.
    pub ingest: Ingest,
    /// What is asked.
    pub homeserver: Homeserver,
}

impl Handler for DiscoverBridge {
    const KIND: &'static str = "discover_bridge";

    async fn run(&self, job: &Job, _lease: &Lease) -> Outcome {
        let Some(bridge) = self.ingest.bridges.get(&job.key) else {
            return Outcome::Failed {
                error: "the bridge is no longer configured".to_owned(),
            };
        };
        let joined = match self.homeserver.joined_rooms(Some(&bridge.bot)).await {
            Ok(joined) => joined
                .into_iter()
                .map(|id| id.to_string())
                .collect::<Vec<_>>(),
            // A bridge registers its bot when it first starts; what the bot does from
            // then on is pushed.
            Err(ClientError::Forbidden) => {
                return Outcome::Done {
                    reason: "the bridge's bot is not there yet".to_owned(),
                };
            }
            Err(error) => return retry(&error),
        };
        match self.queue(&job.key, &joined).await {
            Ok(found) => Outcome::Done {
                reason: format!("{found} rooms to look at"),
            },
            Err(error) => Outcome::Retry {
                error: error.to_string(),
                after: None,
            },
        }
    }
}

impl DiscoverBridge {
    async fn queue(&self, bridge_id: &str, joined: &[String]) -> Result<usize, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        let found = conn
            .transaction(async |conn| {
                let found = rooms::to_discover(conn, joined).await?;
                rooms::note(conn, &found).await?;
                let discover = |room_id: &String| NewJob {
                    kind: Discover::KIND,
                    key: room_id.clone(),
                    payload: Map::new(),
                };
                let jobs: Vec<_> = found.iter().map(discover).collect();
                // Whoever links meanwhile does not wait for all of them.
                let shares = found.iter().map(|id| (id.clone(), bridge_id.to_owned()));
                enqueue_shared(conn, &jobs, &shares.collect()).await?;
                Ok::<_, diesel::result::Error>(found.len())
            })
            .await?;
        self.ingest.jobs.notify_one();
        Ok(found)
    }
}

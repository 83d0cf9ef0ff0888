//! Erases what nobody holds any more, for as long as that takes.

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{Handler, Lease, Outcome};
use crate::{
    db::{self, jobs::Job},
    erasure::{Erasure, Step},
};

/// Until objects that are let go have left the store, unless it is away.
const OBJECTS_LEAVE: Duration = Duration::from_secs(1);

/// The job `erase`; its key is the id of the erasure.
pub struct Erase {
    /// What takes the steps.
    pub erasure: Erasure,
}

impl Handler for Erase {
    const KIND: &'static str = "erase";

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let Ok(id) = job.key.parse() else {
            return Outcome::Failed {
                error: "the key is no id".to_owned(),
            };
        };
        for steps in 1_u64.. {
            if let Some(interruption) = lease.interruption() {
                return interruption;
            }
            match self.step(id, steps, lease).await {
                Ok(Some(Step::More)) => {}
                Ok(Some(Step::Wait)) => {
                    return Outcome::Retry {
                        error: "objects are left in the media store".to_owned(),
                        after: Some(OBJECTS_LEAVE),
                    };
                }
                Ok(Some(Step::Done)) => break,
                Ok(None) => return Outcome::LeaseLost,
                Err(error) => {
                    return Outcome::Retry {
                        error: error.to_string(),
                        after: None,
                    };
                }
            }
        }
        Outcome::Done {
            reason: "erased".to_owned(),
        }
    }
}

impl Erase {
    /// One step; none when the job is no longer ours.
    async fn step(&self, id: Uuid, steps: u64, lease: &Lease) -> Result<Option<Step>, db::Error> {
        let mut conn = self.erasure.ingest.db.get().await?;
        let step = conn
            .transaction(async |conn| {
                let step = self.erasure.step(conn, id).await?;
                // How far it is stands with the rooms; this says whose turn it is.
                if !lease.progress(conn, &json!({"steps": steps})).await? {
                    return Err(db::QueryError::RollbackTransaction);
                }
                Ok(step)
            })
            .await;
        match step {
            Ok(step) => Ok(Some(step)),
            Err(db::QueryError::RollbackTransaction) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

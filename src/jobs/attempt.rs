//! One try at one job: run it, keep its lease, write down how it ended.

use std::{panic::AssertUnwindSafe, time::Duration};

use diesel_async::AsyncConnection as _;
use futures_util::FutureExt as _;
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, warn};

use super::{Lease, Outcome, Timing, Waker, backoff, handler::Kind};
use crate::{
    db::{
        Database,
        jobs::{self, End, Ended, Held, Job},
    },
    meters::meters,
};

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_mins(5);

pub(super) struct Attempt {
    pub(super) pool: Database,
    pub(super) kind: Kind,
    pub(super) job: Job,
    pub(super) held: Held,
    pub(super) timing: Timing,
    pub(super) waker: Waker,
    pub(super) stop: CancellationToken,
}

impl Attempt {
    /// Ends within the grace after the program was told to stop, and once more
    /// that for writing down the outcome.
    pub(super) async fn make(self) {
        let span = tracing::info_span!(
            "job", id = %self.job.id, kind = %self.job.kind, key = %self.job.key
        );
        self.try_it().instrument(span).await;
    }

    async fn try_it(self) {
        let began = Instant::now();
        let outcome = if self.is_worn_out(self.job.attempts) {
            // A job that takes the program down with it never gets to say so.
            Outcome::Failed {
                error: self.job.error.clone().unwrap_or_default(),
            }
        } else {
            self.run().await
        };
        info!(
            job.id = %self.job.id, job.kind = %self.job.kind, job.key = %self.job.key,
            job.outcome = ?outcome, took_ms = began.elapsed().as_millis(), "job tried"
        );
        let kind = self.job.kind.as_str();
        meters().job_seconds.of(kind).record(began.elapsed());
        meters().job_tries.of(kind, outcome.word()).increment(1);
        self.settle(&outcome).await;
    }

    async fn run(&self) -> Outcome {
        let lease = Lease::new(self.held, self.stop.clone());
        let handler = AssertUnwindSafe(self.kind.handler.run(&self.job, &lease)).catch_unwind();
        select! {
            outcome = handler => outcome.unwrap_or_else(|_| Outcome::Retry {
                // Without the panic's message, which may hold anything.
                error: "the handler panicked".to_owned(),
                after: None,
            }),
            () = self.keep(&lease) => Outcome::LeaseLost,
            () = self.out_of_grace() => Outcome::Stopped,
        }
    }

    /// Renews the lease; ends a grace after it is lost, for handlers that do not
    /// look.
    async fn keep(&self, lease: &Lease) {
        loop {
            sleep(self.timing.lease / 3).await;
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => warn!(%error, "lease not renewed"),
            }
        }
        lease.lose();
        sleep(self.timing.grace).await;
    }

    async fn renew(&self) -> anyhow::Result<bool> {
        let conn = self.pool.get().await?;
        Ok(jobs::renew(&conn, self.held, self.timing.lease).await?)
    }

    async fn out_of_grace(&self) {
        self.stop.cancelled().await;
        sleep(self.timing.grace).await;
    }

    /// Tries for as long as the lease may last: after that another replica has
    /// the job, and the outcome is void.
    async fn settle(&self, outcome: &Outcome) {
        let recorded = timeout(self.timing.lease, async {
            let mut failures = 0;
            while let Err(error) = self.record(outcome).await {
                warn!(%error, "job outcome not recorded");
                failures += 1;
                sleep(backoff::pause(failures, self.timing.lease / 3)).await;
            }
        });
        select! {
            _ = recorded => {}
            () = self.out_of_grace() => {}
        }
    }

    async fn record(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let mut conn = self.pool.get().await?;
        let end = match outcome {
            Outcome::Done { reason } => End::Done(reason),
            Outcome::Failed { error } => End::Failed(error),
            Outcome::Retry { error, after } => {
                // Progress during this try has set the count back.
                let now = jobs::get(&conn, self.job.id).await?;
                let failures = now.map_or(0, |job| job.attempts).saturating_add(1);
                if !self.is_worn_out(failures) {
                    let pause = backoff::pause(failures.unsigned_abs(), MAX_PAUSE);
                    jobs::wait(&conn, self.held, after.unwrap_or(pause), error).await?;
                    return Ok(());
                }
                End::Failed(error)
            }
            Outcome::Stopped => return Ok(jobs::release(&conn, self.held).await.map(drop)?),
            Outcome::LeaseLost => return Ok(()),
        };
        let (ended, after_commit) = conn
            .transaction(async |conn| {
                // Before the job is locked: a step locks its own things first as well.
                let after_commit = self.kind.handler.ended(conn, &self.job).await?;
                let ended = jobs::end(conn, self.held, end, self.kind.kept).await?;
                if ended == Ended::LeaseLost {
                    return Err(diesel::result::Error::RollbackTransaction);
                }
                Ok((ended, after_commit))
            })
            .await
            .or_else(|error| match error {
                diesel::result::Error::RollbackTransaction => Ok((Ended::LeaseLost, None)),
                error => Err(error),
            })?;
        if let Some(after_commit) = after_commit {
            after_commit();
        }
        if ended == Ended::Again {
            self.waker.wake();
        }
        Ok(())
    }

    fn is_worn_out(&self, failures: i32) -> bool {
        self.kind
            .max_attempts
            .is_some_and(|max| failures.unsigned_abs() >= max)
    }
}

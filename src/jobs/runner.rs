//! Claims jobs and has them done.

use std::{sync::Arc, time::Duration};

use tokio::{select, sync::Notify, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Handlers, attempt::Attempt, backoff};
use crate::{
    db::{
        Database,
        jobs::{self, Held, Job, Wanted},
    },
    model::new_id,
};

/// The longest pause between two looks at a database that is down.
const MAX_OUTAGE_PAUSE: Duration = Duration::from_secs(15);

/// The runner's times.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a job stays with a replica that was not heard of. Renewed at a
    /// third of it.
    pub lease: Duration,
    /// How often to look for jobs that nobody here has asked for.
    pub poll: Duration,
    /// How long handlers have to end by themselves when the program stops.
    pub grace: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(3),
        }
    }
}

/// Makes the runner look for jobs at once. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Wakes by this handle, which rooms that know nothing of jobs may hold.
    #[must_use]
    pub fn new(handle: Arc<Notify>) -> Self {
        Self(handle)
    }

    /// To be called after the transaction that enqueued a job has committed.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Claims jobs and hands them to the handlers of their kinds.
pub struct Runner {
    pool: Database,
    handlers: Handlers,
    waker: Waker,
    timing: Timing,
    stop: CancellationToken,
}

impl Runner {
    /// A runner that works until `stop` is cancelled.
    #[must_use]
    pub fn new(
        pool: Database,
        handlers: Handlers,
        waker: Waker,
        timing: Timing,
        stop: CancellationToken,
    ) -> Self {
        Self {
            pool,
            handlers,
            waker,
            timing,
            stop,
        }
    }

    /// Works until it is stopped, and outlasts the database being down. When it
    /// returns, every job it held has ended or is released.
    pub async fn run(self) {
        let mut attempts = JoinSet::new();
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            match self.start_due(&mut attempts).await {
                Ok(()) => {
                    failures = 0;
                    self.until_work(&mut attempts).await;
                }
                Err(error) => {
                    warn!(%error, "no jobs claimed");
                    failures += 1;
                    let pause = backoff::pause(failures, MAX_OUTAGE_PAUSE);
                    self.stop.run_until_cancelled(sleep(pause)).await;
                }
            }
        }
        while attempts.join_next().await.is_some() {}
    }

    /// Returns when there may be a job that can be started.
    async fn until_work(&self, attempts: &mut JoinSet<()>) {
        select! {
            () = self.stop.cancelled() => {}
            () = self.waker.0.notified() => {}
            Some(_) = attempts.join_next() => {}
            () = sleep(self.timing.poll) => {}
        }
        while attempts.try_join_next().is_some() {}
    }

    /// Starts as many jobs as are due and have a free slot.
    async fn start_due(&self, attempts: &mut JoinSet<()>) -> anyhow::Result<()> {
        let wanted = self.free_slots();
        if wanted.is_empty() {
            return Ok(());
        }
        let owner = new_id();
        let conn = self.pool.get().await?;
        let due = jobs::claim(&conn, owner, &wanted, self.timing.lease).await?;
        drop(conn);
        for job in due {
            self.start(job, owner, attempts);
        }
        Ok(())
    }

    fn free_slots(&self) -> Vec<Wanted> {
        let free = self.handlers.0.iter().map(|(&kind, k)| Wanted {
            kind,
            limit: i32::try_from(k.slots.available_permits()).unwrap_or(i32::MAX),
        });
        free.filter(|wanted| wanted.limit > 0).collect()
    }

    fn start(&self, job: Job, owner: uuid::Uuid, attempts: &mut JoinSet<()>) {
        // Only this task takes slots, so the ones counted before are still free.
        let Some((kind, slot)) = self.handlers.0.get(job.kind.as_str()).and_then(|kind| {
            Some((
                kind.clone(),
                Arc::clone(&kind.slots).try_acquire_owned().ok()?,
            ))
        }) else {
            return;
        };
        let attempt = Attempt {
            pool: self.pool.clone(),
            kind,
            held: Held { job: job.id, owner },
            job,
            timing: self.timing,
            waker: self.waker.clone(),
            stop: self.stop.clone(),
        };
        attempts.spawn(async move {
            attempt.make().await;
            drop(slot);
        });
    }
}

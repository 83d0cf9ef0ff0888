//! What a kind of job is to the runner.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::db::{
    self, Connection,
    jobs::{Held, Job},
};

/// A step that takes longer is worth a line: its lease is long renewed by then.
const SLOW: Duration = Duration::from_secs(30);

/// Does the jobs of one kind.
///
/// Every step must be safe to repeat and commit together with its
/// [`Lease::progress`]: the program may die anywhere, and the future may be
/// dropped at any `.await` when the program stops.
pub trait Handler: Send + Sync + 'static {
    /// `kind` in the job table.
    const KIND: &'static str;

    /// What of a job's progress, by key, stays when it was asked for again while it ran
    /// and begins anew: what people are told of it, nothing that leads the way.
    const KEPT: &'static [&'static str] = &[];

    /// Does `job`, from where its progress says.
    fn run(&self, job: &Job, lease: &Lease) -> impl Future<Output = Outcome> + Send;

    /// What has to be written down together with the end of `job`, before it; what it
    /// answers is done when that is committed.
    fn ended(
        &self,
        _conn: &mut Connection,
        _job: &Job,
    ) -> impl Future<Output = db::Result<AfterCommit>> + Send {
        async { Ok(None) }
    }
}

/// What is left to do, quickly, when something is committed.
pub type AfterCommit = Option<Box<dyn FnOnce() + Send>>;

/// How a try ended. Texts go to the job's row, where operators read them: words,
/// no secrets, no message bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The job is through.
    Done {
        /// Why it ended here, in a word.
        reason: String,
    },
    /// It did not work, and may next time.
    Retry {
        /// What went wrong.
        error: String,
        /// How long to wait; the runner's backoff if `None`.
        after: Option<Duration>,
    },
    /// It will never work.
    Failed {
        /// What is wrong.
        error: String,
    },
    /// The job is somebody else's now, or cancelled.
    LeaseLost,
    /// The program stops; another replica goes on from the last progress.
    Stopped,
}

impl Outcome {
    /// It in a word, without why.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Retry { .. } => "retry",
            Self::Failed { .. } => "failed",
            Self::LeaseLost => "lease_lost",
            Self::Stopped => "stopped",
        }
    }
}

/// The right to work on a job, as long as nobody took it over or cancelled it.
#[derive(Debug, Clone)]
pub struct Lease {
    held: Held,
    lost: CancellationToken,
    stop: CancellationToken,
    /// When the last step was done.
    stepped: Arc<Mutex<Instant>>,
}

impl Lease {
    /// The lease of a claimed job, in a program that `stop` stops.
    #[must_use]
    pub fn new(held: Held, stop: CancellationToken) -> Self {
        Self {
            held,
            lost: CancellationToken::new(),
            stop,
            stepped: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Which job, and as whom it is held.
    #[must_use]
    pub fn held(&self) -> Held {
        self.held
    }

    /// Notes how far the job is, in the transaction that did the step. False
    /// when the lease is lost: the caller must roll back and end.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn progress(&self, conn: &Connection, progress: &Value) -> db::Result<bool> {
        let ours = db::jobs::progress(conn, self.held, progress).await?;
        if !ours {
            self.lose();
        }
        self.step();
        Ok(ours)
    }

    /// How to end now, if it is time to: to be asked between two steps.
    #[must_use]
    pub fn interruption(&self) -> Option<Outcome> {
        if self.lost.is_cancelled() {
            Some(Outcome::LeaseLost)
        } else if self.stop.is_cancelled() {
            Some(Outcome::Stopped)
        } else {
            None
        }
    }

    /// Resolves when it is time to end: to be raced against a long wait.
    pub async fn interrupted(&self) -> Outcome {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Outcome::LeaseLost,
            () = self.stop.cancelled() => Outcome::Stopped,
        }
    }

    /// A step is done.
    fn step(&self) {
        let now = Instant::now();
        // A panic elsewhere leaves a time behind, and no harm.
        let mut stepped = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
        let took = now - std::mem::replace(&mut *stepped, now);
        if took >= SLOW {
            tracing::warn!(took_ms = took.as_millis(), "a slow step of a job");
        }
    }

    pub(super) fn lose(&self) {
        self.lost.cancel();
    }
}

/// What a kind of job may take.
#[derive(Debug, Clone, Copy)]
pub struct KindLimits {
    /// How many run at a time in this replica.
    pub concurrency: usize,
    /// After how many failures in a row a job is given up; never if `None`.
    pub max_attempts: Option<u32>,
}

/// The handlers of a runner, by kind.
#[derive(Default)]
pub struct Handlers(pub(super) BTreeMap<&'static str, Kind>);

impl Handlers {
    /// Adds a handler. A later one of the same kind replaces it.
    #[must_use]
    pub fn with<H: Handler>(mut self, handler: H, limits: KindLimits) -> Self {
        let kind = Kind {
            handler: Arc::new(handler),
            kept: H::KEPT,
            slots: Arc::new(Semaphore::new(limits.concurrency)),
            max_attempts: limits.max_attempts,
        };
        self.0.insert(H::KIND, kind);
        self
    }
}

#[derive(Clone)]
pub(super) struct Kind {
    pub(super) handler: Arc<dyn AnyHandler>,
    pub(super) kept: &'static [&'static str],
    pub(super) slots: Arc<Semaphore>,
    pub(super) max_attempts: Option<u32>,
}

/// A handler whose type is forgotten.
pub(super) trait AnyHandler: Send + Sync {
    fn run<'a>(&'a self, job: &'a Job, lease: &'a Lease) -> BoxFuture<'a, Outcome>;

    fn ended<'a>(
        &'a self,
        conn: &'a mut Connection,
        job: &'a Job,
    ) -> BoxFuture<'a, db::Result<AfterCommit>>;
}

impl<H: Handler> AnyHandler for H {
    fn run<'a>(&'a self, job: &'a Job, lease: &'a Lease) -> BoxFuture<'a, Outcome> {
        Box::pin(Handler::run(self, job, lease))
    }

    fn ended<'a>(
        &'a self,
        conn: &'a mut Connection,
        job: &'a Job,
    ) -> BoxFuture<'a, db::Result<AfterCommit>> {
        Box::pin(Handler::ended(self, conn, job))
    }
}

//! The runner.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tributary::{
    clock::Clock,
    db::{
        Database,
        jobs::{self, Job, JobState},
    },
    jobs::{Handler, Handlers, KindLimits, Lease, Outcome, Runner, Timing, Waker},
};

use crate::support::{eventually, postgres::TestDatabase};

use super::{KIND, enqueue, get};

/// Counts the runs of each key, and does what `act` says.
struct Scripted<A> {
    runs: Arc<Mutex<HashMap<String, u32>>>,
    act: A,
}

impl<A, F> Handler for Scripted<A>
where
    A: Fn(u32, Job, Lease) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send,
{
    const KIND: &'static str = KIND;

    async fn run(&self, job: &Job, lease: &Lease) -> Outcome {
        let run = {
            let mut runs = self.runs.lock().unwrap();
            let run = runs.entry(job.key.clone()).or_default();
            *run += 1;
            *run
        };
        (self.act)(run, job.clone(), lease.clone()).await
    }
}

/// A runner at work.
struct Replica {
    pool: Database,
    runs: Arc<Mutex<HashMap<String, u32>>>,
    waker: Waker,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

const LIMITS: KindLimits = KindLimits {
    concurrency: 4,
    max_attempts: None,
};
/// Short where a test waits for it, long where it must not matter. What is short still leaves a
/// busy machine seconds: to renew a lease, and to write down how a job ended.
const TIMING: Timing = Timing {
    lease: Duration::from_mins(1),
    poll: Duration::from_millis(20),
    grace: Duration::from_mins(1),
};

impl Replica {
    fn start<A, F>(pool: &Database, timing: Timing, limits: KindLimits, act: A) -> Self
    where
        A: Fn(u32, Job, Lease) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runs = Arc::new(Mutex::new(HashMap::new()));
        let handler = Scripted {
            runs: Arc::clone(&runs),
            act,
        };
        let (waker, stop) = (Waker::default(), CancellationToken::new());
        let handlers = Handlers::default().with(handler, limits);
        let runner = Runner::new(pool.clone(), handlers, waker.clone(), timing, stop.clone());
        Self {
            pool: pool.clone(),
            runs,
            waker,
            stop,
            task: tokio::spawn(runner.run()),
        }
    }

    fn runs(&self, key: &str) -> u32 {
        self.runs
            .lock()
            .unwrap()
            .get(key)
            .copied()
            .unwrap_or_default()
    }

    async fn ran(&self, key: &str) {
        eventually("the job runs", async || (self.runs(key) > 0).then_some(())).await;
    }

    async fn enqueue(&self, key: &str) -> uuid::Uuid {
        let conn = self.pool.get().await.unwrap();
        let id = enqueue(&conn, key).await.id;
        self.waker.wake();
        id
    }

    async fn reaches(&self, id: uuid::Uuid, state: JobState) -> Job {
        eventually(state.as_str(), async || {
            Some(get(&self.pool, id).await).filter(|job| job.state == state)
        })
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn done() -> Outcome {
    Outcome::Done {
        reason: "done".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_work_and_do_it_once() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    // Held back until both have some, so that neither can take it all.
    let gate = Arc::new(Semaphore::new(0));
    let replicas = [(); 2].map(|()| {
        let gate = Arc::clone(&gate);
        Replica::start(&pool, TIMING, LIMITS, move |_, _, _| {
            let gate = Arc::clone(&gate);
            async move {
                drop(gate.acquire().await);
                done()
            }
        })
    });
    let keys: Vec<_> = (0..100).map(|n| format!("job {n}")).collect();
    {
        let conn = pool.get().await.unwrap();
        let new: Vec<_> = keys
            .iter()
            .map(|key| super::job(key, super::empty()))
            .collect();
        jobs::enqueue(&conn, &new).await.unwrap();
    }
    for replica in &replicas {
        eventually("both have work", async || {
            (!replica.runs.lock().unwrap().is_empty()).then_some(())
        })
        .await;
        assert!(replica.runs.lock().unwrap().len() <= LIMITS.concurrency);
    }
    gate.add_permits(1);
    eventually("all is done", async || {
        let conn = pool.get().await.unwrap();
        let done = jobs::Filter {
            state: Some(JobState::Done),
            ..jobs::Filter::default()
        };
        (jobs::list(&conn, done, 200).await.unwrap().len() == 100).then_some(())
    })
    .await;
    for key in &keys {
        assert_eq!(replicas[0].runs(key) + replicas[1].runs(key), 1, "{key}");
    }
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_goes_on_after_a_kill() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let timing = Timing {
        lease: Duration::from_secs(10),
        ..TIMING
    };
    let its_pool = pool.clone();
    let killed = Replica::start(&pool, timing, LIMITS, move |_, _, lease: Lease| {
        let pool = its_pool.clone();
        async move {
            let conn = pool.get().await.unwrap();
            assert!(
                lease
                    .progress(&conn, &serde_json::json!({"page": 3}))
                    .await
                    .unwrap()
            );
            std::future::pending().await
        }
    });
    let id = killed.enqueue("a").await;
    eventually("a page is committed", async || {
        (get(&pool, id).await.progress["page"] == 3).then_some(())
    })
    .await;
    killed.task.abort();

    let heir = Replica::start(&pool, timing, LIMITS, |_, job: Job, _| async move {
        Outcome::Done {
            reason: format!("page {}, attempts {}", job.progress["page"], job.attempts),
        }
    });
    let job = heir.reaches(id, JobState::Done).await;
    assert_eq!(job.reason.as_deref(), Some("page 3, attempts 1"));
    assert_eq!(killed.runs("a") + heir.runs("a"), 2);
    heir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_job_keeps_its_lease() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let timing = Timing {
        lease: Duration::from_secs(10),
        ..TIMING
    };
    let renewed = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&renewed);
    let act = move |_, _, _| {
        let gate = Arc::clone(&gate);
        async move {
            drop(gate.acquire().await);
            done()
        }
    };
    let replicas = [(); 2].map(|()| Replica::start(&pool, timing, LIMITS, act.clone()));
    let id = replicas[0].enqueue("a").await;
    let started = Instant::now();
    // Unless it was renewed, the other one has it by then.
    eventually("a lease and a half go by", async || {
        (started.elapsed() > timing.lease * 3 / 2).then_some(())
    })
    .await;
    renewed.add_permits(1);
    assert_eq!(replicas[0].reaches(id, JobState::Done).await.attempts, 0);
    assert_eq!(replicas[0].runs("a") + replicas[1].runs("a"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_while_it_runs_runs_once_more() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let gate = Arc::new(Semaphore::new(0));
    let held_back = Arc::clone(&gate);
    let replica = Replica::start(&pool, TIMING, LIMITS, move |_, _, _| {
        let gate = Arc::clone(&held_back);
        async move {
            gate.acquire().await.unwrap().forget();
            done()
        }
    });
    let id = replica.enqueue("a").await;
    replica.ran("a").await;
    for _ in 0..3 {
        assert_eq!(replica.enqueue("a").await, id);
    }
    gate.add_permits(9);
    replica.reaches(id, JobState::Done).await;
    assert_eq!(replica.runs("a"), 2);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_told_so() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let timing = Timing {
        lease: Duration::from_secs(1),
        ..TIMING
    };
    let told = CancellationToken::new();
    let tell = told.clone();
    let replica = Replica::start(&pool, timing, LIMITS, move |_, _, lease: Lease| {
        let told = tell.clone();
        async move {
            let outcome = lease.interrupted().await;
            assert_eq!(outcome, Outcome::LeaseLost);
            told.cancel();
            outcome
        }
    });
    let id = replica.enqueue("a").await;
    replica.ran("a").await;
    assert!(jobs::cancel(&pool.get().await.unwrap(), id).await.unwrap());
    eventually("the handler is told", async || {
        told.is_cancelled().then_some(())
    })
    .await;
    replica.stop().await;
    assert_eq!(get(&pool, id).await.state, JobState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_after_a_pause() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let replica = Replica::start(&pool, TIMING, LIMITS, |run, job: Job, _| async move {
        let after = (job.key == "soon").then_some(Duration::ZERO);
        match (job.key.as_str(), run) {
            ("soon", 4) => done(),
            _ => Outcome::Retry {
                error: format!("try {run}"),
                after,
            },
        }
    });
    let soon = replica.enqueue("soon").await;
    let job = replica.reaches(soon, JobState::Done).await;
    assert_eq!(
        (replica.runs("soon"), job.attempts, job.error),
        (4, 3, None)
    );

    let later = replica.enqueue("later").await;
    let job = replica.reaches(later, JobState::Waiting).await;
    // Who looks late may find a later try, whose pause is longer; and it began some time ago.
    let longest = 1000 << (job.attempts - 1);
    let since_start = (job.run_at - job.started_at.unwrap()).num_milliseconds();
    let left = (job.run_at - Clock::system().now()).num_milliseconds();
    assert!(since_start >= longest / 2, "{since_start} ms");
    assert!(left <= longest, "{left} ms");
    assert_eq!(job.error, Some(format!("try {}", job.attempts)));
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_given_up_after_its_last_attempt() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let limits = KindLimits {
        max_attempts: Some(3),
        ..LIMITS
    };
    let replica = Replica::start(&pool, TIMING, limits, |run, job: Job, _| async move {
        match job.key.as_str() {
            "hopeless" => Outcome::Failed {
                error: "no such room".to_owned(),
            },
            _ => Outcome::Retry {
                error: format!("try {run}"),
                after: Some(Duration::ZERO),
            },
        }
    });
    let worn = replica.enqueue("a").await;
    let job = replica.reaches(worn, JobState::Failed).await;
    assert_eq!(
        (replica.runs("a"), job.error.as_deref()),
        (3, Some("try 3"))
    );
    let hopeless = replica.enqueue("hopeless").await;
    let job = replica.reaches(hopeless, JobState::Failed).await;
    assert_eq!(
        (replica.runs("hopeless"), job.error.as_deref()),
        (1, Some("no such room"))
    );
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_the_program_is_given_up_unrun() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let id = enqueue(&conn, "a").await.id;
    for _ in 0..2 {
        let wanted = [jobs::Wanted {
            kind: KIND,
            limit: 1,
        }];
        let owner = tributary::model::new_id();
        assert_eq!(
            jobs::claim(&conn, owner, &wanted, Duration::ZERO)
                .await
                .unwrap()
                .len(),
            1
        );
    }
    let limits = KindLimits {
        max_attempts: Some(2),
        ..LIMITS
    };
    let replica = Replica::start(&pool, TIMING, limits, |_, _, _| async { done() });
    let job = replica.reaches(id, JobState::Failed).await;
    assert_eq!(
        (replica.runs("a"), job.error.as_deref()),
        (0, Some("the lease expired"))
    );
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_without_its_words() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let limits = KindLimits {
        max_attempts: Some(1),
        ..LIMITS
    };
    let replica = Replica::start(&pool, TIMING, limits, |_, job: Job, _| async move {
        assert_ne!(job.key, "bad", "a secret");
        done()
    });
    let id = replica.enqueue("bad").await;
    let job = replica.reaches(id, JobState::Failed).await;
    assert_eq!(job.error.as_deref(), Some("the handler panicked"));
    let good = replica.enqueue("good").await;
    replica.reaches(good, JobState::Done).await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_hands_unfinished_jobs_on_at_once() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let timing = Timing {
        // Also the time in which the outcome has to be written down.
        grace: Duration::from_secs(8),
        ..TIMING
    };
    let replica = Replica::start(
        &pool,
        timing,
        LIMITS,
        |_, job: Job, lease: Lease| async move {
            match job.key.as_str() {
                "polite" => lease.interrupted().await,
                _ => std::future::pending().await,
            }
        },
    );
    let polite = replica.enqueue("polite").await;
    let deaf = replica.enqueue("deaf").await;
    replica.ran("polite").await;
    replica.ran("deaf").await;
    replica.stop().await;
    for id in [polite, deaf] {
        let job = get(&pool, id).await;
        assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
    }
    let heir = Replica::start(&pool, TIMING, LIMITS, |_, _, _| async { done() });
    heir.reaches(polite, JobState::Done).await;
    heir.reaches(deaf, JobState::Done).await;
    heir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_is_faster_than_the_poll() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let timing = Timing {
        poll: Duration::from_hours(1),
        ..TIMING
    };
    let replica = Replica::start(&pool, timing, LIMITS, |_, _, _| async { done() });
    let first = replica.enqueue("a").await;
    replica.reaches(first, JobState::Done).await;
    let second = replica.enqueue("b").await;
    replica.reaches(second, JobState::Done).await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_is_outlasted() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let gate = Arc::new(Semaphore::new(0));
    let held_back = Arc::clone(&gate);
    let replica = Replica::start(&pool, TIMING, LIMITS, move |_, _, _| {
        let gate = Arc::clone(&held_back);
        async move {
            drop(gate.acquire().await);
            done()
        }
    });
    let through_it = replica.enqueue("a").await;
    replica.ran("a").await;
    database.cut().await;
    gate.add_permits(1);
    eventually("the pool notices", async || {
        pool.get().await.is_err().then_some(())
    })
    .await;
    assert!(!replica.task.is_finished());
    database.mend().await;
    replica.reaches(through_it, JobState::Done).await;
    let after_it = replica.enqueue("b").await;
    replica.reaches(after_it, JobState::Done).await;
    assert_eq!(replica.runs("a"), 1);
    replica.stop().await;
}

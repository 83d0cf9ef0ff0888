//! The job table, call by call.

use std::time::Duration;

use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use serde_json::json;
use tokio::time::timeout;
use tributary::{
    db::{
        Connection,
        jobs::{self, End, Ended, Filter, Held, Job, JobState, Wanted},
    },
    model::new_id,
};

use crate::support::{eventually, postgres::TestDatabase, world::count};

use super::{KIND, empty, enqueue, get, job, nobodys};

const LEASE: Duration = Duration::from_mins(1);
const GONE: Duration = Duration::ZERO;
/// What stays of a job's progress when it goes once more.
const KEPT: &[&str] = &["stored"];

async fn claim(conn: &Connection, limit: i32, lease: Duration) -> Vec<(Held, Job)> {
    let owner = new_id();
    let wanted = [Wanted { kind: KIND, limit }];
    let jobs = jobs::claim(conn, owner, &wanted, lease).await.unwrap();
    jobs.into_iter()
        .map(|job| (Held { job: job.id, owner }, job))
        .collect()
}

async fn claim_one(conn: &Connection) -> (Held, Job) {
    let mut claimed = claim(conn, 1, LEASE).await;
    claimed.pop().expect("a job is due")
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_twice_widens_the_job() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let ask = async |payload| jobs::enqueue(&conn, &[job("a", payload)]).await.unwrap()[0];

    let first =
        ask(json!({"days": 30, "maxMessages": 9, "as": "x", "deep": true, "n": null})).await;
    assert!(first.created);
    let second =
        ask(json!({"days": 7, "maxMessages": 10, "as": "y", "deep": false, "n": 1, "new": 1}))
            .await;
    assert_eq!((second.id, second.created), (first.id, false));
    let row = get(&pool, first.id).await;
    assert_eq!(
        row.payload,
        json!({"days": 30, "maxMessages": 10, "as": "y", "deep": true, "n": 1, "new": 1})
    );
    assert_eq!((row.state, row.again), (JobState::Queued, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_in_the_order_of_the_questions() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let known = enqueue(&conn, "b").await.id;
    let asked = ["c", "b", "a", "c"].map(|key| job(key, json!({"days": 1})));
    let answers = jobs::enqueue(&conn, &asked).await.unwrap();
    assert_eq!(
        answers.iter().map(|a| a.created).collect::<Vec<_>>(),
        [true, false, true, false]
    );
    assert_eq!(answers[1].id, known);
    assert_eq!(answers[3].id, answers[0].id);
    for (answer, asked) in answers.iter().zip(asked) {
        assert_eq!(get(&pool, answer.id).await.key, asked.key);
    }
    assert!(jobs::enqueue(&conn, &[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_at_the_same_time_makes_one_job() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let asks = (0..8).map(|days| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let conn = pool.get().await.unwrap();
            let mut asked = ["a", "b", "c", "d"].map(|key| job(key, json!({"days": days})));
            if days % 2 == 0 {
                asked.reverse();
            }
            let mut answers = jobs::enqueue(&conn, &asked).await.unwrap();
            if days % 2 == 0 {
                answers.reverse();
            }
            answers
        })
    });
    let answers = futures_util::future::try_join_all(asks).await.unwrap();
    for n in 0..4 {
        assert_eq!(answers.iter().filter(|a| a[n].created).count(), 1);
        assert!(answers.iter().all(|a| a[n].id == answers[0][n].id));
        assert_eq!(
            get(&pool, answers[0][n].id).await.payload,
            json!({"days": 7})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asker_waits_for_one_that_has_not_committed() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let mut first = pool.get().await.unwrap();
    first.batch_execute("BEGIN").await.unwrap();
    let created = enqueue(&first, "a").await;

    let second = tokio::spawn({
        let pool = pool.clone();
        async move { enqueue(&pool.get().await.unwrap(), "a").await }
    });
    let watcher = pool.get().await.unwrap();
    eventually("the second asker waits for a lock", async || {
        let waiting = "SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let rows = diesel::sql_query(waiting)
            .execute(&mut &*watcher)
            .await
            .unwrap();
        (rows > 0).then_some(())
    })
    .await;
    first.batch_execute("COMMIT").await.unwrap();
    let second = second.await.unwrap();
    assert_eq!((second.id, second.created), (created.id, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_claimed_by_kind_in_order_and_once() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    for key in ["a", "b", "c"] {
        enqueue(&conn, key).await;
    }
    let other = jobs::NewJob {
        kind: "other",
        ..job("a", empty())
    };
    jobs::enqueue(&conn, &[other]).await.unwrap();

    let keys = |claimed: &[(Held, Job)]| {
        claimed
            .iter()
            .map(|(_, job)| job.key.clone())
            .collect::<Vec<_>>()
    };
    let first = claim(&conn, 2, LEASE).await;
    assert_eq!(keys(&first), ["a", "b"]);
    assert!(first[0].1.started_at.is_some() && first[0].1.attempts == 0);
    assert_eq!(keys(&claim(&conn, 2, LEASE).await), ["c"]);
    assert_eq!(keys(&claim(&conn, 2, LEASE).await), [""; 0]);

    let wanted = [
        Wanted {
            kind: "other",
            limit: 5,
        },
        Wanted {
            kind: KIND,
            limit: 5,
        },
    ];
    let rest = jobs::claim(&conn, new_id(), &wanted, LEASE).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].kind, "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_first_job_comes_before_anybodys_second() {
    let database = TestDatabase::new().await;
    let conn = database.pool().get().await.unwrap();
    let ask = async |user: &str, keys: &[&str]| {
        let jobs: Vec<_> = keys.iter().map(|key| job(key, empty())).collect();
        let shares = keys.iter().map(|key| ((*key).to_owned(), user.to_owned()));
        let shares = shares.collect();
        jobs::enqueue_shared(&conn, &jobs, &shares).await.unwrap();
    };
    ask("alice", &["a3", "a2", "a1"]).await;
    ask("bob", &["b1"]).await;
    ask("alice", &["a0"]).await;
    ask("bob", &["b2"]).await;
    let claimed = claim(&conn, 9, LEASE).await;
    let keys: Vec<_> = claimed.iter().map(|(_, job)| job.key.as_str()).collect();
    assert_eq!(keys, ["a3", "b1", "a2", "b2", "a1", "a0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_a_job_was_is_forgotten_when_it_ends() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let keys = ["done", "again", "cancelled", "off"];
    let wanted: Vec<_> = keys.iter().map(|key| job(key, empty())).collect();
    let shares = keys.map(|key| (key.to_owned(), "user_a".to_owned()));
    let shares = shares.into_iter().collect();
    let asked = jobs::enqueue_shared(&conn, &wanted, &shares).await.unwrap();
    let claimed = claim(&conn, 2, LEASE).await;
    jobs::enqueue(&conn, &wanted[1..2]).await.unwrap();
    for (held, _) in claimed {
        jobs::end(&conn, held, End::Done("days"), KEPT)
            .await
            .unwrap();
    }
    assert!(jobs::cancel(&conn, asked[2].id).await.unwrap());
    let off = &["off".to_owned()];
    let off = jobs::call_off(&conn, &[KIND], off, "gone").await;
    assert_eq!(off.unwrap().len(), 1);
    let queued_once_more =
        "SELECT count(*) FROM tributary.jobs WHERE share <> '' AND key = 'again'";
    assert_eq!(count(&pool, queued_once_more).await, 1);
    let with_a_share = "SELECT count(*) FROM tributary.jobs WHERE share <> ''";
    assert_eq!(count(&pool, with_a_share).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lease_is_taken_over_before_what_is_due() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let id = enqueue(&conn, "a").await.id;
    let (dead, _) = claim(&conn, 1, GONE).await.pop().unwrap();
    enqueue(&conn, "b").await;

    let (alive, job) = claim_one(&conn).await;
    assert_eq!((job.id, job.attempts), (id, 1));
    assert_eq!(job.error.as_deref(), Some("the lease expired"));
    assert!(!jobs::renew(&conn, dead, LEASE).await.unwrap());
    assert!(!jobs::progress(&conn, dead, &json!(1)).await.unwrap());
    assert!(!jobs::release(&conn, dead).await.unwrap());
    assert!(!jobs::wait(&conn, dead, LEASE, "dead").await.unwrap());
    assert_eq!(
        jobs::end(&conn, dead, End::Done("dead"), KEPT)
            .await
            .unwrap(),
        Ended::LeaseLost
    );
    assert_eq!(
        jobs::end(&conn, dead, End::Failed("dead"), KEPT)
            .await
            .unwrap(),
        Ended::LeaseLost
    );

    assert!(jobs::renew(&conn, alive, LEASE).await.unwrap());
    assert!(
        jobs::progress(&conn, alive, &json!({"at": 1}))
            .await
            .unwrap()
    );
    assert_eq!(
        jobs::end(&conn, alive, End::Done("days"), KEPT)
            .await
            .unwrap(),
        Ended::ForGood
    );
    let row = get(&pool, id).await;
    assert_eq!(
        (row.state, row.attempts, row.error),
        (JobState::Done, 0, None)
    );
    assert_eq!(
        (row.reason.as_deref(), row.progress),
        (Some("days"), json!({"at": 1}))
    );
    assert!(row.finished_at.is_some());
    assert!(
        enqueue(&conn, "a").await.created,
        "what is done can be asked for anew"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_lease_is_not_taken_over() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    enqueue(&conn, "a").await;
    let (held, _) = claim(&conn, 1, GONE).await.pop().unwrap();
    assert!(jobs::renew(&conn, held, LEASE).await.unwrap());
    assert!(claim(&conn, 1, LEASE).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_lost_lease_is_rolled_back() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let mut conn = pool.get().await.unwrap();
    enqueue(&conn, "a").await;
    let (dead, _) = claim(&conn, 1, GONE).await.pop().unwrap();
    let (alive, _) = claim_one(&conn).await;

    let mut step = async |held: Held| {
        conn.transaction(async |conn| {
            diesel::sql_query("INSERT INTO tributary.rooms (room_id) VALUES ('!step:x')")
                .execute(conn)
                .await?;
            if jobs::progress(conn, held, &json!({"step": 1})).await? {
                Ok(())
            } else {
                Err(diesel::result::Error::RollbackTransaction)
            }
        })
        .await
    };
    assert_eq!(
        step(dead).await,
        Err(diesel::result::Error::RollbackTransaction)
    );
    assert_eq!(
        step(alive).await,
        Ok(()),
        "the dead one's step is not there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_not_committed_cannot_be_taken_over() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let mut stepping = pool.get().await.unwrap();
    enqueue(&stepping, "a").await;
    let (held, _) = claim(&stepping, 1, GONE).await.pop().unwrap();
    stepping.batch_execute("BEGIN").await.unwrap();
    assert!(
        jobs::progress(&stepping, held, &json!({"step": 1}))
            .await
            .unwrap()
    );

    let other = pool.get().await.unwrap();
    let claimed = timeout(Duration::from_secs(20), claim(&other, 1, LEASE)).await;
    assert!(claimed.expect("claiming waits for nobody").is_empty());
    stepping.batch_execute("COMMIT").await.unwrap();
    let (_, job) = claim_one(&other).await;
    assert_eq!(job.progress, json!({"step": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_while_it_runs_goes_once_more() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let id = enqueue(&conn, "a").await.id;
    for end in [JobState::Done, JobState::Failed] {
        let (held, _) = claim_one(&conn).await;
        assert!(
            jobs::progress(&conn, held, &json!({"step": 1, "stored": 7}))
                .await
                .unwrap()
        );
        let asked = jobs::enqueue(&conn, &[job("a", json!({"days": 90}))])
            .await
            .unwrap()[0];
        assert_eq!((asked.id, asked.created), (id, false));
        assert!(get(&pool, id).await.again);
        let ended = match end {
            JobState::Done => jobs::end(&conn, held, End::Done("days"), KEPT).await,
            _ => jobs::end(&conn, held, End::Failed("no"), KEPT).await,
        };
        assert_eq!(ended.unwrap(), Ended::Again);
        let row = get(&pool, id).await;
        assert_eq!(
            (row.state, row.again, row.attempts),
            (JobState::Queued, false, 0)
        );
        assert_eq!(row.progress, json!({"stored": 7}));
        assert_eq!(row.payload, json!({"days": 90}));
        assert_eq!((row.reason, row.finished_at), (None, None));
    }
    let (held, _) = claim_one(&conn).await;
    assert_eq!(
        jobs::end(&conn, held, End::Failed("no \0"), KEPT)
            .await
            .unwrap(),
        Ended::ForGood
    );
    let row = get(&pool, id).await;
    assert_eq!(
        (row.state, row.error.as_deref()),
        (JobState::Failed, Some("no \u{fffd}"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_counts_and_delays() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let id = enqueue(&conn, "a").await.id;
    let (held, _) = claim_one(&conn).await;
    assert!(
        jobs::wait(&conn, held, LEASE, &"x".repeat(10_000))
            .await
            .unwrap()
    );
    let row = get(&pool, id).await;
    assert_eq!((row.state, row.attempts), (JobState::Waiting, 1));
    assert_eq!(row.error.unwrap().len(), 500);
    assert!((row.run_at - row.started_at.unwrap()).num_seconds() >= 60);
    assert!(claim(&conn, 1, LEASE).await.is_empty(), "it is not due");

    diesel::sql_query("UPDATE tributary.jobs SET run_at = now()")
        .execute(&mut &*conn)
        .await
        .unwrap();
    let (held, job) = claim_one(&conn).await;
    assert_eq!(job.attempts, 1);
    assert!(jobs::progress(&conn, held, &empty()).await.unwrap());
    assert_eq!(
        get(&pool, id).await.attempts,
        0,
        "progress forgets failures"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_is_due_at_once_and_keeps_its_place() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let id = enqueue(&conn, "a").await.id;
    enqueue(&conn, "b").await;
    let (held, _) = claim_one(&conn).await;
    assert!(
        jobs::progress(&conn, held, &json!({"step": 1}))
            .await
            .unwrap()
    );
    assert!(jobs::release(&conn, held).await.unwrap());
    let (_, job) = claim_one(&conn).await;
    assert_eq!(
        (job.id, job.attempts, job.progress),
        (id, 0, json!({"step": 1}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_nobodys() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let id = enqueue(&conn, "a").await.id;
    let (held, _) = claim_one(&conn).await;
    enqueue(&conn, "a").await;
    assert!(jobs::cancel(&conn, id).await.unwrap());
    assert!(!jobs::cancel(&conn, id).await.unwrap());
    assert!(!jobs::renew(&conn, held, LEASE).await.unwrap());
    assert!(!jobs::progress(&conn, held, &empty()).await.unwrap());
    let row = get(&pool, id).await;
    assert_eq!((row.state, row.again), (JobState::Cancelled, false));
    assert_eq!(row.reason.as_deref(), Some("cancelled"));
    assert!(claim(&conn, 1, LEASE).await.is_empty());

    let queued = enqueue(&conn, "a").await;
    assert!(queued.created);
    assert!(jobs::cancel(&conn, queued.id).await.unwrap());
    assert!(!jobs::cancel(&conn, nobodys().job).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let conn = pool.get().await.unwrap();
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(enqueue(&conn, key).await.id);
    }
    claim_one(&conn).await;
    let list = async |filter| {
        let jobs = jobs::list(&conn, filter, 2).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default()).await, [ids[2], ids[1]]);
    let next = Filter {
        before: Some(ids[1]),
        ..Filter::default()
    };
    assert_eq!(list(next).await, [ids[0]]);
    let running = Filter {
        state: Some(JobState::Running),
        ..Filter::default()
    };
    assert_eq!(list(running).await, [ids[0]]);
    assert_eq!(
        list(Filter {
            key: Some("b"),
            ..Filter::default()
        })
        .await,
        [ids[1]]
    );
    assert!(
        list(Filter {
            kind: Some("other"),
            ..Filter::default()
        })
        .await
        .is_empty()
    );
}

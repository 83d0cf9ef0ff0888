//! The homeserver goes away while the history comes in.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    history::{History, PATIENCE},
    note,
    tables::{Backfill, Tables},
};
use crate::stack::Stack;

const MESSAGES: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_the_homeserver_and_go_on_by_themselves() {
    let messages = MESSAGES.to_string();
    let settings = [
        ("BACKFILL__MAX_MESSAGES", messages.as_str()),
        ("BACKFILL__DAYS", "36500"),
        ("BACKFILL__PAGE_SIZE", "20"),
    ];
    let stack = Stack::start_anew(&settings).await;
    let history = History::of(&stack);
    let tables = Tables::of(&stack).await;
    history.link(&stack).await;
    stack
        .within(PATIENCE, "the history begins to come", async || {
            let jobs = tables.backfills().await;
            jobs.iter().any(|job| job.state == "running").then_some(())
        })
        .await;
    // It takes its time to end, and answers nobody meanwhile.
    let begun = Instant::now();
    stack.run_script(&["down", "synapse"]);
    let failed = async |times: i32| {
        stack
            .within(PATIENCE, "a job has failed and waits", async || {
                let mut jobs = tables.backfills().await;
                jobs.retain(|job| job.state == "waiting" && job.attempts >= times);
                (!jobs.is_empty()).then_some(jobs)
            })
            .await
    };
    for job in failed(4).await {
        let error = job.error.as_deref().unwrap_or_default();
        assert!(!error.is_empty(), "{job:?}");
    }
    let jobs = tables.backfills().await;
    let down = begun.elapsed();
    for job in jobs {
        assert!(job.attempts <= most_attempts(down), "{job:?} in {down:?}");
        assert_ne!(job.state, "failed", "{job:?}");
    }
    note(&format!(
        "the homeserver was away for {down:.1?}, {}",
        summary(&tables.backfills().await)
    ));

    stack.run_script(&["up", "synapse"]);
    history.filled(&stack).await;
    let walks = history.walk_back(&stack, 1000, 2 * MESSAGES).await;
    history.assert_shown(&stack, &walks, MESSAGES).await;
}

/// A pause doubles from a second on, and chance takes away up to half of it.
fn most_attempts(down: Duration) -> i32 {
    let halves = down.as_secs() * 2 + 2;
    i32::try_from(halves.ilog2()).unwrap() + 1
}

fn summary(jobs: &[Backfill]) -> String {
    let state = |state: &str| jobs.iter().filter(|job| job.state == state).count();
    let most = jobs.iter().map(|job| job.attempts).max();
    format!(
        "{} jobs were done, {} queued, {} running, {} waiting, after {} attempts at most",
        state("done"),
        state("queued"),
        state("running"),
        state("waiting"),
        most.unwrap_or_default(),
    )
}

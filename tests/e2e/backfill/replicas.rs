//! Two Tributaries on one database.

use std::{collections::HashSet, net::TcpListener};

use super::{history::History, note, synapse::Log};
use crate::stack::Stack;

const MESSAGES: usize = 500;
/// Nobody else asks for pages of this size.
const PAGE_SIZE: u32 = 61;
const LOGS: [&str; 2] = ["tributary", "tributary-2"];

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_rooms_and_fetch_nothing_twice() {
    let (messages, page_size) = (MESSAGES.to_string(), PAGE_SIZE.to_string());
    let settings = [
        ("BACKFILL__MAX_MESSAGES", messages.as_str()),
        ("BACKFILL__DAYS", "36500"),
        ("BACKFILL__PAGE_SIZE", &page_size),
        ("LOG__FORMAT", "json"),
    ];
    let stack = Stack::start_anew(&settings).await;
    let bind = free_address();
    let begins = LOGS.map(|log| std::fs::read(stack.log(log)).map_or(0, |log| log.len()));
    let mut second = stack.spawn_tributary(LOGS[1], &[("TRIBUTARY__SERVER__BIND", &bind)]);
    let ready = format!("http://{bind}/readyz");
    stack
        .eventually("the second one is ready", async || {
            let answer = stack.http.get(&ready).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;

    let history = History::of(&stack);
    let pages = Log::from_now(&stack);
    history.link(&stack).await;
    history.filled(&stack).await;
    let walks = history.walk_back(&stack, 1000, 2 * MESSAGES).await;
    history.assert_shown(&stack, &walks, MESSAGES).await;
    second.kill().unwrap();
    second.wait().unwrap();

    let shares = [0, 1].map(|i| tried(&stack, LOGS[i], begins[i]));
    note(&format!(
        "{} rooms and {}",
        shares[0].len(),
        shares[1].len()
    ));
    // A job that discovery asks for while it begins is looked at once more when it is
    // through, and has nothing to fetch then.
    for room_id in &history.rooms {
        let is_done = shares.iter().any(|share| share.contains(room_id));
        assert!(is_done, "{room_id}");
    }
    assert!(shares.iter().all(|share| !share.is_empty()), "{shares:?}");
    for (page, times) in pages.pages(PAGE_SIZE) {
        assert_eq!(times, 1, "{page:?}");
    }
}

/// Free now; nobody else takes one below the range of outgoing connections.
fn free_address() -> String {
    loop {
        let address = format!("127.0.0.1:{}", rand::random_range(20_000..32_000));
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// The rooms at whose history a replica has worked, by its log.
fn tried(stack: &Stack, log: &str, begin: usize) -> HashSet<String> {
    let log = std::fs::read(stack.log(log)).unwrap();
    let log = String::from_utf8_lossy(&log[begin..]);
    let mut tried = HashSet::new();
    for line in log.lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        if line["message"] == "job tried" && line["job.kind"] == "backfill" {
            tried.insert(line["job.key"].as_str().unwrap().to_owned());
        }
    }
    tried
}

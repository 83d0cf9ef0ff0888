//! How much of the history comes in.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use tributary::clock::Clock;

use super::{
    history::{History, Times, assert_same, count},
    note,
    shown::{self, Line},
    synapse::Walk,
    tables::Tables,
};
use crate::stack::Stack;

/// More than the history has.
const ALL: &str = "1000000";
const DECADES: &str = "36500";
const PAGE_SIZE: u32 = 500;

/// How long it took, and what it held, on standard output.
fn print(what: &str, times: &Times, stack: &Stack) {
    note(&format!(
        "{what}: first conversation readable after {:.1?}, all listed after {:.1?}, \
         all there after {:.1?}, {} MiB at most",
        times.first_readable,
        times.all_listed,
        times.filled,
        stack.peak_memory() / 1024,
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_brings_the_whole_history_as_the_homeserver_has_it() {
    let settings = [("BACKFILL__MAX_MESSAGES", ALL), ("BACKFILL__DAYS", DECADES)];
    let stack = Stack::start_anew(&settings).await;
    let history = History::of(&stack);
    let begun = Instant::now();
    let mut walks = history.walk(&stack, PAGE_SIZE).await;
    let before = begun.elapsed();
    let times = history.link_and_wait(&stack).await;
    let begun = Instant::now();
    history.walk(&stack, PAGE_SIZE).await;
    let after = begun.elapsed();

    print("the whole history", &times, &stack);
    let events = walks.values().map(|walk| walk.events.len()).sum::<usize>();
    let rate = |took: std::time::Duration| {
        let messages = u32::try_from(events).unwrap();
        f64::from(messages) / took.as_secs_f64()
    };
    note(&format!(
        "{events} events, {} of them edits or messages, on {} pages: {:.0} events/s, a plain walk \
         {:.0} before and {:.0} after, that is {:.2} of it",
        count(&walks, "m.room.message"),
        walks.values().map(|walk| walk.pages).sum::<usize>(),
        rate(times.filled),
        rate(before),
        rate(after),
        rate(times.filled) / rate((before + after) / 2),
    ));
    let tables = Tables::of(&stack).await;
    let expected = |walk: &Walk| shown::expected(&walk.events, usize::MAX).len();
    let messages: usize = walks.values().map(expected).sum();
    assert_eq!(tables.messages().await, i64::try_from(messages).unwrap());
    // A direct chat and a group: to read all of them would take longer than to fill them.
    let two = &history.rooms[..2];
    walks.retain(|room, _| two.contains(room));
    history.assert_shown(&stack, &walks, usize::MAX).await;
    for job in tables.backfills().await {
        assert_eq!(job.reason.as_deref(), Some("start"), "{job:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_brings_as_many_messages_as_were_asked_for() {
    const MESSAGES: usize = 500;
    let messages = MESSAGES.to_string();
    let settings = [
        ("BACKFILL__MAX_MESSAGES", messages.as_str()),
        ("BACKFILL__DAYS", DECADES),
        ("BACKFILL__PAGE_SIZE", "200"),
    ];
    let stack = Stack::start_anew(&settings).await;
    let history = History::of(&stack);
    let times = history.link_and_wait(&stack).await;
    print("500 messages of each", &times, &stack);
    let walks = history.walk_back(&stack, 1000, 2 * MESSAGES).await;
    history.assert_shown(&stack, &walks, MESSAGES).await;
    for job in Tables::of(&stack).await.backfills().await {
        assert_eq!(job.reason.as_deref(), Some("messages"), "{job:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_brings_as_many_days_as_were_asked_for() {
    let mut stack = Stack::take().await;
    let history = History::of(&stack);
    let walks = history.walk(&stack, 1000).await;
    let days = days_to_the_middle(walks.values().flat_map(|walk| &walk.events));
    let before = Clock::system().now();
    let settings = [
        ("BACKFILL__MAX_MESSAGES", ALL),
        ("BACKFILL__DAYS", &days.to_string()),
        ("BACKFILL__PAGE_SIZE", "100"),
    ];
    stack.begin_anew(&settings).await;
    let times = history.link_and_wait(&stack).await;
    print(&format!("{days} days of each"), &times, &stack);
    for job in Tables::of(&stack).await.backfills().await {
        assert_eq!(job.reason.as_deref(), Some("days"), "{job:?}");
    }

    // Where between these the cut was, only Tributary knows.
    let cut = |now: DateTime<Utc>| now - TimeDelta::days(days);
    let (first, last) = (cut(before), cut(Clock::system().now()));
    let sure = |lines: &[Line]| {
        let lines = lines
            .iter()
            .filter(|line| line.at < first || line.at > last);
        lines.cloned().collect::<Vec<_>>()
    };
    let shown: HashMap<_, _> = shown::all(&stack, &history.customer).await;
    for room in &history.rooms {
        let mut expected = shown::expected(&walks[room].events, usize::MAX);
        let whole = expected.len();
        expected.retain(|line| line.at > last);
        assert!((whole / 4..whole).contains(&expected.len()), "no test");
        assert_same(room, &sure(&shown[room]), &expected);
    }
}

/// How many days ago the middle of the history was.
fn days_to_the_middle<'a>(events: impl Iterator<Item = &'a serde_json::Value>) -> i64 {
    let messages = events.filter(|event| event["type"] == "m.room.message");
    let mut times: Vec<_> = messages
        .map(|event| event["origin_server_ts"].as_i64().unwrap())
        .collect();
    times.sort_unstable();
    let middle = DateTime::from_timestamp_millis(times[times.len() / 2]).unwrap();
    (Clock::system().now() - middle).num_days()
}

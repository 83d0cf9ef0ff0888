//! Pages neither repeat nor skip, whatever comes meanwhile.

use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{events, index, search};
use crate::api::{
    app::TestApp,
    conversations::{ALICE, GHOST, alice_and_bob},
    world::{now, portal, text_at},
};

/// Messages in several rooms, many of one time; every third has the word.
async fn fill(
    app: &TestApp,
    name: &str,
    size: usize,
    random: &mut StdRng,
    newest: i64,
) -> BTreeSet<String> {
    let mut with_word = BTreeSet::new();
    for batch in 0..size.div_ceil(100) {
        let mut events = Vec::new();
        for n in 0..100.min(size - batch * 100) {
            let id = format!("${name}-{batch}-{n}");
            let has = random.random_ratio(1, 3);
            if has {
                with_word.insert(id.clone());
            }
            let body = if has { "the word" } else { "another" };
            let room = format!("!room{}", random.random_range(0..5));
            events.push(text_at(
                &room,
                GHOST,
                &id,
                body,
                newest - random.random_range(0..30) * 3_600_000,
            ));
        }
        app.push_events(&format!("{name}-{batch}"), &events).await;
    }
    with_word
}

async fn rooms(app: &TestApp) {
    for n in 0..5 {
        portal(app, &format!("!room{n}"), &[ALICE, GHOST]).await;
    }
}

/// All pages, and what is done between two of them.
async fn walk(
    app: &TestApp,
    order: &str,
    limit: &str,
    mut between: impl AsyncFnMut(usize),
) -> Vec<String> {
    let (mut all, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    for nth in 0.. {
        let mut query = vec![("q", "word"), ("order", order), ("limit", limit)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = search(app, "user_alice", &query).await.json();
        all.extend(events(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return all,
        }
        between(nth).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_or_skipped_while_messages_come() {
    let app = alice_and_bob().await;
    rooms(&app).await;
    let mut random = StdRng::seed_from_u64(7);
    let newest = now() - 1_000_000_000;
    let before = fill(&app, "before", 1_200, &mut random, newest).await;
    index(&app).await;
    for (order, limit) in [("newest", "7"), ("newest", "200"), ("best", "30")] {
        let mut later = StdRng::seed_from_u64(9);
        let all = walk(&app, order, limit, async |nth| {
            if nth < 5 {
                // Some newer than all, some in between.
                let name = format!("{order}{limit}-{nth}");
                fill(&app, &name, 20, &mut later, now()).await;
                index(&app).await;
            }
        });
        let all = all.await;
        let ids: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(ids.len(), all.len(), "{order} {limit} repeats");
        assert!(before.is_subset(&ids), "{order} {limit} skips");
    }
}

/// A word on every message but the newest: too many for the index, none among the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_was_common_long_ago_is_found_page_by_page() {
    let app = alice_and_bob().await;
    rooms(&app).await;
    let old = now() - 400 * 86_400_000;
    let mut expected = 0;
    for batch in 0..33 {
        let events: Vec<_> = (0..100)
            .map(|n| {
                text_at(
                    &format!("!room{}", n % 5),
                    GHOST,
                    &format!("$old{batch}-{n}"),
                    "a word",
                    old - batch * 60_000,
                )
            })
            .collect();
        expected += events.len();
        app.push_events(&format!("old{batch}"), &events).await;
    }
    for batch in 0..5 {
        let events: Vec<_> = (0..100)
            .map(|n| {
                text_at(
                    "!room0",
                    GHOST,
                    &format!("$new{batch}-{n}"),
                    "other",
                    now() - n,
                )
            })
            .collect();
        app.push_events(&format!("new{batch}"), &events).await;
    }
    index(&app).await;
    let all = walk(&app, "newest", "200", async |_| {}).await;
    let ids: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), ids.len()), (expected, expected));
}

//! Pages neither repeat nor skip, whatever comes meanwhile.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel_async::SimpleAsyncConnection as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{events, index, search};
use crate::api::{
    app::TestApp,
    conversations::{ALICE, GHOST, ROOM, alice_and_bob},
    world::{now, portal, text_at},
};

/// Of the newest matches so many are put in order.
const RANKED: usize = 250;

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
        let mut expected = before.clone();
        if order == "best" {
            let ranked = walk(&app, order, "200", async |_| {}).await;
            assert_eq!(ranked.len(), RANKED);
            expected = ranked.into_iter().collect();
        }
        let all = walk(&app, order, limit, async |nth| {
            if nth < 5 {
                // Some newer than all, some in between.
                let name = format!("{order}{limit}-{nth}");
                let base = if nth % 2 == 0 { now() } else { newest };
                fill(&app, &name, 20, &mut later, base).await;
                index(&app).await;
            }
        });
        let all = all.await;
        let ids: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(ids.len(), all.len(), "{order} {limit} repeats");
        assert!(expected.is_subset(&ids), "{order} {limit} skips");
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

/// Where a page ends is told by what its reader may see, however much is in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_tells_nothing_of_what_one_may_not_see() {
    let app = alice_and_bob().await;
    let (old, new) = (now() - 36_000_000, now());
    let seen = [
        text_at(ROOM, GHOST, "$old", "xylophone", old),
        text_at(ROOM, GHOST, "$new", "xenon", new),
    ];
    app.push_events("1", &seen).await;
    // Received before they came back, and sent between the two.
    let unseen = "
        UPDATE tributary.room_grants SET from_at = now() - interval '1 minute';
        INSERT INTO tributary.messages
            (id, conversation_id, room_id, event_id, sender_id, sender, event_type, type, body,
             origin_server_ts, timestamp, received_at, historical)
        SELECT tributary.uuid_v7(), m.conversation_id, m.room_id, '$unseen' || n, m.sender_id, m.sender,
               m.event_type, m.type, 'x', m.origin_server_ts, m.timestamp + n * interval '1 second',
               now() - interval '1 hour', false
        FROM tributary.messages m, generate_series(1, 3000) AS n WHERE m.event_id = '$old'";
    let mut conn = app.app.db.get().await.unwrap();
    conn.batch_execute(unseen).await.unwrap();
    let first = search(&app, "user_alice", &[("q", "x*")]).await.json();
    assert_eq!(events(&first), ["$new"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let told = URL_SAFE_NO_PAD.decode(cursor).unwrap();
    let micros = i64::from_be_bytes(told[2..10].try_into().unwrap());
    assert_eq!(
        micros,
        old * 1000,
        "when the next one was sent that she sees"
    );
    let query = [("q", "x*"), ("cursor", cursor)];
    let second = search(&app, "user_alice", &query).await.json();
    assert_eq!(events(&second), ["$old"]);
    assert!(second["nextCursor"].is_null());
}

//! Pages neither repeat nor skip, whatever is stored meanwhile and however many are of one
//! time; and what stands around a message.

use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::{ALICE, GHOST, ROOM, alice_and_bob, only_path};
use crate::api::{
    app::TestApp,
    world::{now, portal, text_at},
};

/// Items of all pages; between two of them something may be done.
async fn walk(app: &TestApp, path: &str, mut between: impl AsyncFnMut(usize)) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), path.to_owned());
    for nth in 0.. {
        let mut page = app.get("user_alice", &next).await.json();
        all.append(page["items"].as_array_mut().unwrap());
        match page["nextCursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => return all,
        }
        between(nth).await;
    }
    all
}

fn events(items: &[Value]) -> Vec<String> {
    let event = |item: &Value| item["matrixEventId"].as_str().unwrap().to_owned();
    items.iter().map(event).collect()
}

/// Messages of few different times, so that most have others of theirs.
async fn say(
    app: &TestApp,
    name: &str,
    size: usize,
    random: &mut StdRng,
    at: i64,
) -> BTreeSet<String> {
    let ids: Vec<_> = (0..size)
        .map(|n| format!("${}{name}{n}", random.random_range(0..1_000)))
        .collect();
    let messages: Vec<_> = ids
        .iter()
        .map(|id| text_at(ROOM, GHOST, id, "x", at - random.random_range(0..4) * 1_000))
        .collect();
    app.push_events(name, &messages).await;
    ids.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_whole_in_either_order_while_more_come() {
    let app = alice_and_bob().await;
    let path = format!("{}/messages", only_path(&app, "user_alice").await);
    let mut random = StdRng::seed_from_u64(11);
    let at = now() - 60_000;
    let mut before = say(&app, "a", 60, &mut random, at).await;
    for (round, limit) in [1, 2, 3, 7, 25, 59, 60, 61].into_iter().enumerate() {
        for order in ["newest", "oldest"] {
            let mut new = BTreeSet::new();
            let asked = format!("{path}?limit={limit}&order={order}");
            let all = walk(&app, &asked, async |nth| {
                if nth < 3 {
                    let name = format!("{order}{round}-{nth}-");
                    new.extend(say(&app, &name, 3, &mut random, at).await);
                }
            });
            let ids = events(&all.await);
            let distinct: BTreeSet<_> = ids.iter().cloned().collect();
            assert_eq!(distinct.len(), ids.len(), "{order} by {limit} repeats");
            assert!(distinct.is_superset(&before), "{order} by {limit} skips");
            before.extend(new);
        }
    }
    let [newest, mut oldest] = [
        events(&walk(&app, &format!("{path}?limit=9"), async |_| {}).await),
        events(&walk(&app, &format!("{path}?limit=9&order=oldest"), async |_| {}).await),
    ];
    oldest.reverse();
    assert_eq!(newest, oldest);
    let answer = app.get("user_alice", &format!("{path}?order=other")).await;
    assert_eq!(answer.code(), "invalid_request");
}

/// Conversations that gain messages move to the front: there is no page behind it that has
/// them, and the cursor of the list tells of it. All others are there once.
#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_there_once_while_others_move_to_the_front() {
    let app = alice_and_bob().await;
    let (rooms, at) = (23, now() - 60_000);
    for n in 0..rooms {
        let room = format!("!room{n}");
        portal(&app, &room, &[ALICE, GHOST]).await;
        let first = text_at(&room, GHOST, &format!("$first{n}"), "x", at - n % 3);
        app.push_events(&format!("first{n}"), &[first]).await;
    }
    let before: BTreeSet<_> = walk(&app, "/api/conversations?limit=200", async |_| {})
        .await
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    for limit in [1, 2, 5, 23, 24] {
        let mut moved = Vec::new();
        let path = format!("/api/conversations?limit={limit}");
        let all = walk(&app, &path, async |nth| {
            let id = format!("$move{limit}-{nth}");
            let room = format!("!room{}", nth % 23);
            if nth < 4 {
                app.push_events(&id, &[text_at(&room, GHOST, &id, "x", now())])
                    .await;
                moved.push(room);
            }
        });
        let all = all.await;
        let ids: Vec<_> = all
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect();
        let distinct: BTreeSet<_> = ids.iter().cloned().collect();
        assert_eq!(distinct.len(), ids.len(), "by {limit} repeats");
        let missing = before.difference(&distinct).count();
        assert!(
            missing <= moved.len(),
            "by {limit} skips {missing} of {}",
            moved.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_read_among_those_around_it() {
    let app = alice_and_bob().await;
    let at = now() - 60_000;
    let messages: Vec<_> = (0..20)
        .map(|n| text_at(ROOM, GHOST, &format!("$m{n:02}"), "x", at + n / 4))
        .collect();
    app.push_events("1", &messages).await;
    let path = format!("{}/messages", only_path(&app, "user_alice").await);
    let all = walk(&app, &format!("{path}?limit=200"), async |_| {}).await;
    let id = |nth: usize| all[nth]["id"].as_str().unwrap();
    let around = async |nth: usize, query: &str| {
        let path = format!("/api/messages/{}/context{query}", id(nth));
        app.get("user_alice", &path).await.json()
    };
    let context = around(9, "?limit=3").await;
    assert_eq!(context["items"].as_array().unwrap(), &all[6..13]);
    assert_eq!(context["conversationId"], all[9]["conversationId"]);
    // On with its cursors, to either end.
    let of = |cursor: &str| context[cursor].as_str().unwrap().to_owned();
    let older = format!("{path}?limit=200&cursor={}", of("olderCursor"));
    assert_eq!(walk(&app, &older, async |_| {}).await, all[13..]);
    let newer = format!("{path}?limit=2&order=oldest&cursor={}", of("newerCursor"));
    let first = app.get("user_alice", &newer).await.json();
    let mut items = first["items"].as_array().unwrap().clone();
    items.reverse();
    assert_eq!(items, all[4..6]);
    for (nth, older, newer) in [(0, true, false), (19, false, true)] {
        let context = around(nth, "?limit=2").await;
        assert_eq!(context["items"].as_array().unwrap().len(), 3);
        let has = |cursor: &str| context[cursor].is_string();
        assert_eq!((has("olderCursor"), has("newerCursor")), (older, newer));
    }
    assert_eq!(around(9, "").await["items"].as_array().unwrap(), &all);
    for limit in ["0", "101", "x", "1&limit=2", "1&order=oldest"] {
        let path = format!("/api/messages/{}/context?limit={limit}", id(0));
        assert_eq!(app.get("user_alice", &path).await.code(), "invalid_request");
    }
    let path = format!("/api/messages/{}/context", id(0));
    assert_eq!(app.get("user_bob", &path).await.code(), "not_found");
}

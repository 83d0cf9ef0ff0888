//! What is read along with a push, so that sockets need not read it.

use std::{collections::BTreeMap, time::Instant};

use serde_json::json;
use tributary::{
    db::read::messages::{Shown, by_ids},
    ingest::Ingest,
    stream::{AtHand, Relay, Subscription},
};
use uuid::Uuid;

use super::{
    ALICE, ALICE_MATRIX, BOB, BOB_MATRIX, FRIEND,
    client::{Server, cursor},
    world::World,
};

const ROOM: &str = "!room:lab.local";

/// What each listener has at hand behind a push of these events; nothing is old `before` it.
async fn push(
    ingest: &Ingest,
    listeners: &[Subscription; 2],
    events: &[serde_json::Value],
) -> [AtHand; 2] {
    let before = Instant::now();
    let heads = listeners
        .each_ref()
        .map(|one| (one.head.borrow().position, &one.head));
    let body = json!({"events": events}).to_string();
    let id = events[0]["event_id"].as_str().unwrap();
    ingest.transaction(id, body.as_bytes()).await.unwrap();
    heads.map(|(position, head)| head.borrow().after(position, before).unwrap())
}

/// What was read along, which nobody has rendered yet.
fn shown(at_hand: &AtHand) -> Option<Vec<Shown>> {
    let mut read = Vec::new();
    let take = |shown: &[Shown]| {
        read.extend_from_slice(shown);
        Vec::new()
    };
    at_hand.fresh.as_ref()?.rendered(Uuid::nil(), take)?;
    read.sort_by_key(|one| one.message.id);
    Some(read)
}

/// What a viewer is shown of these messages when they are read now.
async fn read(world: &World, user_id: &str, ids: &[Uuid]) -> Vec<Shown> {
    #[derive(diesel::QueryableByName)]
    struct Unread {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        unread_count: i32,
    }
    let mut conn = world.app.db.get().await.unwrap();
    let messages = by_ids(&conn, user_id, ids).await.unwrap();
    let query = "SELECT unread_count FROM tributary.conversation_access WHERE user_id = $1";
    let query = diesel::sql_query(query).bind::<diesel::sql_types::Text, _>(user_id);
    let unread: Unread = diesel_async::RunQueryDsl::get_result(query, &mut conn)
        .await
        .unwrap();
    let of = |message| Shown {
        message,
        unread_count: unread.unread_count,
    };
    let by_id: BTreeMap<_, _> = messages.into_iter().map(|m| (m.id, of(m))).collect();
    by_id.into_values().collect()
}

/// A room of both, ingest with a feed that nobody else tells of anything, and who listens there.
async fn room(world: &World) -> (Ingest, [Subscription; 2]) {
    world.connect(ALICE, ALICE_MATRIX).await;
    world.connect(BOB, BOB_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, BOB_MATRIX, FRIEND]).await;
    let (feed, _relay) = Relay::new();
    let listeners = [ALICE, BOB].map(|user_id| feed.subscribe(user_id));
    let ingest = Ingest {
        feed,
        ..world.app.ingest.clone()
    };
    (ingest, listeners)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_is_shown_what_a_read_behind_the_push_shows() {
    let world = World::new().await;
    let (ingest, listeners) = room(&world).await;
    let first = world.message(ROOM, FRIEND, "hello");
    let reply = json!({
        "msgtype": "m.text", "body": "hi",
        "m.relates_to": {"m.in_reply_to": {"event_id": first["event_id"]}},
    });
    let reply = world.event(ROOM, ALICE_MATRIX, "m.room.message", &reply);
    let image = json!({"msgtype": "m.image", "body": "a.jpg", "url": "mxc://lab.local/a"});
    let image = world.event(ROOM, FRIEND, "m.room.message", &image);
    let mut told = Vec::new();
    for events in [vec![first], vec![reply, image]] {
        let at_hand = push(&ingest, &listeners, &events).await;
        for (user_id, at_hand) in [ALICE, BOB].into_iter().zip(at_hand) {
            let ids = at_hand.entries.iter().map(|e| e.kind.unwrap().message());
            let ids: Vec<_> = ids.map(Option::unwrap).collect();
            assert_eq!(ids.len(), events.len());
            let shown = shown(&at_hand).unwrap();
            assert_eq!(shown, read(&world, user_id, &ids).await);
            told.extend(shown.into_iter().map(|one| {
                let message = one.message;
                let is_reply = message.reply_to.is_some();
                (user_id, message.body, message.sender.is_self, is_reply)
            }));
        }
    }
    let said =
        |user_id, body: &str, is_self, is_reply| (user_id, body.to_owned(), is_self, is_reply);
    let expected = [
        said(ALICE, "hello", false, false),
        said(BOB, "hello", false, false),
        said(ALICE, "hi", true, true),
        said(ALICE, "a.jpg", false, false),
        said(BOB, "hi", false, true),
        said(BOB, "a.jpg", false, false),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shows_more_than_new_messages_is_read_behind_the_push() {
    let world = World::new().await;
    let (ingest, listeners) = room(&world).await;
    let others = "!other:lab.local";
    world.room(others, &[BOB_MATRIX, FRIEND]).await;
    let mut named = world.event(others, FRIEND, "m.room.name", &json!({"name": "Us"}));
    named["state_key"] = json!("");
    let events = [named, world.message(ROOM, FRIEND, "hello")];
    let [alice, bob] = push(&ingest, &listeners, &events).await;
    // Whoever is shown the message alone does not have to read it for that.
    assert_eq!((alice.entries.len(), bob.entries.len()), (1, 2));
    assert_eq!(shown(&alice).unwrap().len(), 1);
    assert!(bob.fresh.is_none());

    let reaction = json!({"m.relates_to": {
        "rel_type": "m.annotation", "key": "a", "event_id": events[1]["event_id"],
    }});
    let reaction = world.event(ROOM, FRIEND, "m.reaction", &reaction);
    let at_hand = push(&ingest, &listeners, &[reaction]).await;
    assert!(at_hand.iter().all(|one| one.fresh.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replayed_is_read_however_short_ago_it_came() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.open(&world, ALICE, None).await;
    let since = cursor(&client.expect("hello").await);
    client.expect("live").await;
    let message = world.message(ROOM, FRIEND, "a secret");
    let mut redaction = world.event(ROOM, FRIEND, "m.room.redaction", &json!({}));
    redaction["redacts"] = message["event_id"].clone();
    world.push(&[message]).await;
    // By another replica, of which this one may not have heard yet.
    let body = json!({"events": [redaction]}).to_string();
    let other = world.replica();
    let taken = other.ingest.transaction("redaction", body.as_bytes());
    taken.await.unwrap();

    let mut late = server.open(&world, ALICE, Some(&since)).await;
    late.expect("hello").await;
    let frame = late.expect("message.created").await;
    assert_eq!(frame["data"]["message"]["body"], "", "{frame}");
}

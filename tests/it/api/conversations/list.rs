//! `GET /api/conversations`.

use std::collections::HashSet;

use diesel_async::SimpleAsyncConnection as _;
use serde_json::Value;
use tributary::{db::stream, model::frame::FrameKind, stream::cursor::Cursor};

use super::{ALICE, GHOST, ROOM, alice_and_bob, only};
use crate::api::{
    app::TestApp,
    world::{link, portal, text},
};

const PATH: &str = "/api/conversations";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "hello")])
        .await;
    let conversation = only(&app, "user_alice").await;
    assert_eq!(conversation["title"], "Grace");
    assert_eq!(conversation["network"], "facebook");
    assert_eq!(conversation["matrixRoomId"], ROOM);
    assert_eq!(conversation["isGroup"], false);
    assert_eq!(conversation["unreadCount"], 1);
    assert_eq!(conversation["lastMessage"]["body"], "hello");
    assert_eq!(
        conversation["lastMessage"]["sender"]["displayName"],
        "Grace"
    );
    assert_eq!(
        conversation["lastEventAt"],
        conversation["lastMessage"]["timestamp"]
    );
    assert!(conversation.get("participants").is_none());
    let bob = app.get("user_bob", PATH).await.json();
    assert_eq!(bob["items"], serde_json::json!([]));
    assert_eq!(bob["nextCursor"], Value::Null);
}

/// Ties are what a cursor by time alone would skip.
#[tokio::test(flavor = "multi_thread")]
async fn pages_neither_repeat_nor_skip_among_equal_times() {
    let app = TestApp::start().await;
    link(&app, "user_alice", ALICE, None).await;
    for n in 0..7 {
        portal(&app, &format!("!room{n}"), &[ALICE]).await;
    }
    let mut conn = app.app.db.get().await.unwrap();
    conn.batch_execute(
        "UPDATE tributary.conversation_access SET sort_at = '2026-01-01T00:00:00.123456Z'
         WHERE conversation_id IN (SELECT id FROM tributary.conversations
                                   WHERE matrix_room_id <> '!room0');
         UPDATE tributary.conversation_access SET sort_at = '2026-01-01T00:00:00.123455Z'
         WHERE conversation_id IN (SELECT id FROM tributary.conversations
                                   WHERE matrix_room_id = '!room0')",
    )
    .await
    .unwrap();
    drop(conn);
    for limit in [1, 2, 3, 7, 8] {
        let rooms = walk(&app, limit).await;
        assert_eq!(rooms.len(), 7, "{limit} {rooms:?}");
        assert_eq!(
            rooms.iter().collect::<HashSet<_>>().len(),
            7,
            "{limit} {rooms:?}"
        );
        assert_eq!(
            rooms.last().map(String::as_str),
            Some("!room0"),
            "{limit} {rooms:?}"
        );
    }
}

async fn walk(app: &TestApp, limit: usize) -> Vec<String> {
    let mut rooms = Vec::new();
    let mut path = format!("{PATH}?limit={limit}");
    loop {
        let page = app.get("user_alice", &path).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit && !items.is_empty(), "{page}");
        let room = |item: &Value| item["matrixRoomId"].as_str().unwrap().to_owned();
        rooms.extend(items.iter().map(room));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("{PATH}?limit={limit}&cursor={cursor}"),
            None => return rooms,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_is_where_the_stream_goes_on() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "shown")])
        .await;
    let list = app.get("user_alice", PATH).await.json();
    app.push_events("2", &[text(ROOM, GHOST, "$2", "later")])
        .await;
    let cursor = Cursor::parse(list["cursor"].as_str().unwrap()).unwrap();
    let mut conn = app.app.db.get().await.unwrap();
    let epoch = stream::epoch(&mut conn).await.unwrap();
    assert!(cursor.belongs_to(epoch, "user_alice"));
    let next = stream::after(&conn, "user_alice", cursor.position, 10)
        .await
        .unwrap();
    let created = |kind: Option<FrameKind>| matches!(kind, Some(FrameKind::MessageCreated { .. }));
    assert_eq!(next.len(), 1, "{next:?}");
    assert!(created(next[0].kind));
}

/// Whatever is being written meanwhile, the list shows what the stream said up to its cursor.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_and_its_cursor_are_of_one_moment() {
    let app = alice_and_bob().await;
    let write = async {
        for n in 0..60 {
            let event = text(ROOM, GHOST, &format!("${n}"), "x");
            app.push_events(&n.to_string(), &[event]).await;
        }
    };
    let read = async {
        let mut lists = Vec::new();
        for _ in 0..60 {
            let list = app.get("user_alice", PATH).await.json();
            let cursor = Cursor::parse(list["cursor"].as_str().unwrap()).unwrap();
            lists.push((
                cursor.position,
                list["items"][0]["unreadCount"].as_u64().unwrap(),
            ));
        }
        lists
    };
    let ((), lists) = tokio::join!(write, read);
    let conn = app.app.db.get().await.unwrap();
    let frames = stream::after(&conn, "user_alice", 0, 1000).await.unwrap();
    for (position, unread) in lists {
        let created = |frame: &&stream::Entry| {
            frame.position <= position
                && matches!(frame.kind, Some(FrameKind::MessageCreated { .. }))
        };
        let told = frames.iter().filter(created).count() as u64;
        assert_eq!(unread, told, "at {position}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_cursors_that_are_none_are_refused() {
    let app = alice_and_bob().await;
    let of_the_stream = app.get("user_alice", PATH).await.json();
    let of_the_stream = of_the_stream["cursor"].as_str().unwrap().to_owned();
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=",
        "limit=x",
        "limit=1.5",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "cursor=",
        "cursor=x",
        "cursor=AAAA",
        "cursor=%00",
        "cursor=%ff",
        "cursor=AQL__________3g",
        &format!("cursor={of_the_stream}"),
    ] {
        let answer = app.get("user_alice", &format!("{PATH}?{query}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request"),
            "{query}"
        );
    }
    for query in ["limit=1", "limit=200", "other=1"] {
        assert_eq!(
            app.get("user_alice", &format!("{PATH}?{query}"))
                .await
                .status,
            200,
            "{query}"
        );
    }
}

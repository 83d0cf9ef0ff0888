//! `POST /api/conversations/{id}/read`.

use reqwest::Method;
use tributary::{db::stream, model::frame::FrameKind};

use super::{GHOST, ROOM, alice_and_bob, only, only_path};
use crate::{
    app::{Answer, TestApp},
    world::text,
};

async fn read(app: &TestApp, user: &str, path: &str) -> Answer {
    Answer::of(app.viewer(user, Method::POST, &format!("{path}/read"))).await
}

async fn frames(app: &TestApp, user: &str) -> Vec<stream::Entry> {
    let mut conn = app.app.db.get().await.unwrap();
    stream::after(&mut conn, user, 0, 1000).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_resets_the_count_and_tells_the_other_windows() {
    let app = alice_and_bob().await;
    let mut listener = app.app.feed.subscribe("user_alice");
    let events = ["$1", "$2"].map(|id| text(ROOM, GHOST, id, "x"));
    app.push_events("1", &events).await;
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 2);
    let before = frames(&app, "user_alice").await;
    listener.head.mark_unchanged();

    let path = only_path(&app, "user_alice").await;
    let answer = read(&app, "user_alice", &path).await;
    assert_eq!(answer.status, 200);
    let conversation = answer.json();
    assert_eq!(conversation["unreadCount"], 0);
    assert!(conversation["participants"].is_array());

    let after = frames(&app, "user_alice").await;
    assert_eq!(after.len(), before.len() + 1);
    let last = after.last().unwrap();
    assert!(matches!(
        last.kind,
        Some(FrameKind::ConversationUpdated { .. })
    ));
    assert_eq!(*listener.head.borrow_and_update(), last.position);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_again_tells_nobody() {
    let app = alice_and_bob().await;
    let path = only_path(&app, "user_alice").await;
    let before = frames(&app, "user_alice").await.len();
    assert_eq!(read(&app, "user_alice", &path).await.status, 200);
    assert_eq!(frames(&app, "user_alice").await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_is_unread_again() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "x")]).await;
    let path = only_path(&app, "user_alice").await;
    read(&app, "user_alice", &path).await;
    app.push_events("2", &[text(ROOM, GHOST, "$2", "x")]).await;
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_for_somebody_else() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "x")]).await;
    let path = only_path(&app, "user_alice").await;
    let answer = read(&app, "user_bob", &path).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    assert_eq!(
        read(&app, "user_bob", "/api/conversations/x").await.text,
        answer.text
    );
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 1);
    assert!(frames(&app, "user_bob").await.is_empty());
}

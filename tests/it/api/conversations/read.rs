//! `POST /api/conversations/{id}/read`.

use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use reqwest::Method;
use tokio::sync::Notify;
use tributary::{db::stream, model::frame::FrameKind};

use super::{GHOST, ROOM, alice_and_bob, only, only_path};
use crate::{
    api::{
        app::{Answer, TestApp},
        world::{redaction, text},
    },
    support::eventually,
};

async fn read(app: &TestApp, user: &str, path: &str) -> Answer {
    Answer::of(app.viewer(user, Method::POST, &format!("{path}/read"))).await
}

async fn frames(app: &TestApp, user: &str) -> Vec<stream::Entry> {
    let conn = app.app.db.get().await.unwrap();
    stream::after(&conn, user, 0, 1000).await.unwrap()
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
    assert_eq!(listener.head.borrow_and_update().position, last.position);
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

/// Both counts, the one that is kept and the one that is counted again, have to
/// agree on a message that comes while the conversation is being read.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_meanwhile_is_read_or_unread_but_not_both() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "x")]).await;
    let path = only_path(&app, "user_alice").await;
    let events = [text(ROOM, GHOST, "$2", "meanwhile")];
    let mut busy = app.app.db.get().await.unwrap();
    let (locked, unlock) = (Notify::new(), Notify::new());
    let hold = busy.transaction(async |conn| {
        diesel::sql_query("SELECT FROM tributary.conversation_access FOR UPDATE")
            .execute(conn)
            .await?;
        locked.notify_one();
        unlock.notified().await;
        Ok::<_, diesel::result::Error>(())
    });
    // The push begins while the read waits to write down when it was.
    let push = async {
        waiting_for_a_lock(&app, 1).await;
        let unlock_later = async {
            waiting_for_a_lock(&app, 2).await;
            unlock.notify_one();
        };
        tokio::join!(app.push_events("2", &events), unlock_later);
    };
    let act = async {
        locked.notified().await;
        let (read, ()) = tokio::join!(read(&app, "user_alice", &path), push);
        assert_eq!(read.status, 200);
    };
    let (released, ()) = tokio::join!(hold, act);
    released.unwrap();
    let kept = only(&app, "user_alice").await["unreadCount"].clone();
    app.push_events("3", &[redaction(ROOM, GHOST, "$3", "$1")])
        .await;
    assert_eq!(only(&app, "user_alice").await["unreadCount"], kept);
}

async fn waiting_for_a_lock(app: &TestApp, count: usize) {
    let sql = "SELECT FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("somebody waits for a lock", async || {
        let mut conn = app.app.db.get().await.unwrap();
        let waiting = diesel::sql_query(sql).execute(&mut conn).await.unwrap();
        (waiting >= count).then_some(())
    })
    .await;
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

//! Receipts that point to other events than messages.

use super::*;

async fn receipt(app: &TestApp, id: &str, event_id: &str, receipt: &Value) {
    let body = json!({"events": [], "ephemeral": [{"type": "m.receipt", "room_id": ROOM,
        "content": {event_id: {"m.read": {ALICE: receipt}}}}]});
    let answer = app.push(id, body.to_string()).await;
    assert_eq!(answer.status, 200);
}

async fn unread(app: &TestApp) -> Value {
    only(app, "user_alice").await["unreadCount"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_reaction_reads_what_is_before_it() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$1", "one"),
            text(ROOM, GHOST, "$2", "two"),
        ],
    )
    .await;
    let mut later = reaction(GHOST, "$3", "$1", "a");
    later["origin_server_ts"] = json!(now() + 1_000);
    app.push_events("2", &[later]).await;
    assert_eq!(unread(&app).await, 2);
    let seen = position(&app, "user_alice").await;
    receipt(&app, "3", "$3", &json!({"ts": now()})).await;
    assert_eq!(unread(&app).await, 0);
    assert_eq!(
        frames(&app, "user_alice", seen).await,
        ["conversation.updated"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_comes_before_its_event_waits_for_it() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "one")])
        .await;
    receipt(&app, "2", "$e", &json!({"ts": now()})).await;
    assert_eq!(unread(&app).await, 1);
    let seen = position(&app, "user_alice").await;
    let mut later = edit(FRIEND, "$e", "$other", "x");
    later["origin_server_ts"] = json!(now() + 1_000);
    app.push_events("3", &[later]).await;
    assert_eq!(unread(&app).await, 0);
    assert_eq!(
        frames(&app, "user_alice", seen).await,
        ["conversation.updated"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_one_thread_has_not_read_the_rest() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$1", "one"),
            text(ROOM, GHOST, "$2", "two"),
        ],
    )
    .await;
    receipt(&app, "2", "$2", &json!({"ts": now(), "thread_id": "$root"})).await;
    assert_eq!(unread(&app).await, 2);
    receipt(&app, "3", "$2", &json!({"ts": now(), "thread_id": "main"})).await;
    assert_eq!(unread(&app).await, 0);
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_message_is_unread_no_more_and_the_count_is_told() {
    let app = alice_and_bob().await;
    let both = [
        text(ROOM, GHOST, "$1", "one"),
        text(ROOM, GHOST, "$2", "two"),
    ];
    app.push_events("1", &both).await;
    let seen = position(&app, "user_alice").await;
    let third = text(ROOM, GHOST, "$3", "three");
    app.push_events("2", &[redaction(ROOM, GHOST, "$r1", "$1"), third])
        .await;
    assert_eq!(unread(&app).await, 2);
    assert_eq!(
        frames(&app, "user_alice", seen).await,
        ["message.created", "message.updated", "conversation.updated"]
    );
    app.push_events("3", &[redaction(ROOM, GHOST, "$r3", "$3")])
        .await;
    assert_eq!(unread(&app).await, 1);
    // Of one that is read already there is no more to tell.
    receipt(&app, "4", "$2", &json!({"ts": now()})).await;
    let seen = position(&app, "user_alice").await;
    app.push_events("5", &[redaction(ROOM, GHOST, "$r2", "$2")])
        .await;
    assert_eq!(frames(&app, "user_alice", seen).await, ["message.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_message_beside_others_is_counted_once() {
    let app = alice_and_bob().await;
    let own = "@facebook_100:lab.local";
    let at = |mut event: Value, ms: i64| {
        event["origin_server_ts"] = json!(event["origin_server_ts"].as_i64().unwrap() + ms);
        event
    };
    // The first push of a connection prepares its statements one by one.
    for round in 0..3 {
        let id = |n: usize| format!("${round}-{n}");
        let ms = round * 1_000;
        let events = [
            at(text(ROOM, GHOST, &id(0), "before"), ms),
            at(text(ROOM, own, &id(1), "mine"), ms + 1),
            at(text(ROOM, GHOST, &id(2), "after"), ms + 2),
        ];
        app.push_events(&format!("{round}"), &events).await;
        assert_eq!(unread(&app).await, 1, "{round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_an_event_of_an_absurd_time_stops_nothing() {
    let app = alice_and_bob().await;
    for (n, ts) in [i64::MIN, -(1 << 53), -1, 1 << 53, i64::MAX]
        .into_iter()
        .enumerate()
    {
        let (message, id) = (format!("$m{n}"), format!("$s{n}"));
        app.push_events(&format!("m{n}"), &[text(ROOM, GHOST, &message, "a")])
            .await;
        assert_eq!(unread(&app).await, 1, "{ts}");
        let mut renamed = event("m.room.name", GHOST, &id, &json!({"name": "a"}));
        renamed["state_key"] = json!("");
        renamed["origin_server_ts"] = json!(ts);
        app.push_events(&id, &[renamed]).await;
        receipt(&app, &format!("r{n}"), &id, &json!({"ts": now() + 1})).await;
        assert_eq!(unread(&app).await, 0, "{ts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_comes_on_both_sides_of_the_marker_one_side_is_unread() {
    let app = alice_and_bob().await;
    let at = |sender: &str, id: &str, ago: i64| {
        let mut event = text(ROOM, sender, id, "hello");
        event["origin_server_ts"] = json!(now() - ago);
        event
    };
    app.push_events("1", &[at(ALICE, "$own", 10_000)]).await;
    app.push_events("2", &[at(GHOST, "$late", 20_000), at(GHOST, "$new", 1_000)])
        .await;
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 1);
}

//! Kinds of messages that are not `m.room.message`, replies and threads.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn polls_and_their_like_are_shown_by_their_text() {
    let app = alice_and_bob().await;
    let poll = json!({
        "org.matrix.msc1767.text": "Where?\n1. Here\n2. There",
        "org.matrix.msc3381.poll.start": {"question": {"org.matrix.msc1767.text": "Where?"}, "answers": []},
    });
    let note =
        json!({"m.text": [{"body": "<i>a note</i>", "mimetype": "text/html"}, {"body": "a note"}]});
    app.push_events(
        "1",
        &[
            event("org.matrix.msc3381.poll.start", GHOST, "$1", &poll),
            event("com.example.note", GHOST, "$2", &note),
            event(
                "org.matrix.msc3381.poll.response",
                GHOST,
                "$3",
                &json!({"answers": ["1"]}),
            ),
            event("m.room.encrypted", GHOST, "$4", &json!({"ciphertext": "x"})),
        ],
    )
    .await;
    let shown: Vec<_> = messages(&app, "user_alice").await;
    let shown: Vec<_> = shown
        .iter()
        .map(|m| (m["type"].as_str().unwrap(), m["body"].as_str().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("org.matrix.msc3381.poll.start", "Where?\n1. Here\n2. There"),
            ("com.example.note", "a note"),
            ("m.room.encrypted", ""),
        ]
    );
    assert_eq!(
        count(&app.app.db, "SELECT count(*) FROM tributary.dead_letters").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_finds_what_it_answers_when_both_are_known() {
    let app = alice_and_bob().await;
    let mut answer = text(ROOM, GHOST, "$2", "yes");
    answer["content"]["m.relates_to"] = json!({
        "rel_type": "m.thread", "event_id": "$0", "m.in_reply_to": {"event_id": "$1"},
    });
    answer["origin_server_ts"] = json!(now() + 5_000);
    app.push_events("1", &[answer]).await;
    let shown = messages(&app, "user_alice").await.remove(0);
    assert_eq!(
        (&shown["replyTo"], &shown["threadRoot"]),
        (&json!(null), &json!(null))
    );
    app.push_events(
        "2",
        &[
            text(ROOM, GHOST, "$0", "root"),
            text(ROOM, GHOST, "$1", "question"),
        ],
    )
    .await;
    let all = messages(&app, "user_alice").await;
    let of = |event_id: &str| all.iter().find(|m| m["matrixEventId"] == event_id).unwrap();
    assert_eq!(
        (&of("$2")["replyTo"], &of("$2")["threadRoot"]),
        (&of("$1")["id"], &of("$0")["id"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_name_what_its_reader_may_not_see() {
    let app = shared_room().await;
    app.push_events(
        "1",
        &[leave(BOB), text(ROOM, GHOST, "$1", "behind his back")],
    )
    .await;
    portal(&app, ROOM, &[ALICE, BOB, GHOST, FRIEND]).await;
    let mut answer = text(ROOM, GHOST, "$2", "yes");
    answer["content"]["m.relates_to"] = json!({"m.in_reply_to": {"event_id": "$1"}});
    app.push_events("2", &[answer]).await;
    let of_bob = messages(&app, "user_bob").await;
    assert_eq!((of_bob.len(), &of_bob[0]["replyTo"]), (1, &json!(null)));
    assert!(messages(&app, "user_alice").await[1]["replyTo"].is_string());
}

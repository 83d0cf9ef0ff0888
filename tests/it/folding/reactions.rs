//! Reactions: one per sender and key, as long as they stand.

use super::*;

/// The reactions of the only message: key, how many, mine.
async fn shown(app: &TestApp) -> Vec<(String, i64, bool)> {
    let message = messages(app, "user_alice").await.remove(0);
    let of = |r: &Value| {
        let key = r["key"].as_str().unwrap().to_owned();
        assert_eq!(
            r["senders"].as_array().unwrap().len() as u64,
            r["count"].as_u64().unwrap()
        );
        (
            key,
            r["count"].as_i64().unwrap(),
            r["mine"].as_bool().unwrap(),
        )
    };
    message["reactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect()
}

fn expected(of: &[(&str, i64, bool)]) -> Vec<(String, i64, bool)> {
    of.iter()
        .map(|(key, count, mine)| ((*key).to_owned(), *count, *mine))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_counted_by_key_and_sender() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$m", "hi")]).await;
    let seen = position(&app, "user_alice").await;
    app.push_events(
        "2",
        &[
            reaction(GHOST, "$1", "$m", "\u{1F44D}"),
            reaction(FRIEND, "$2", "$m", "\u{1F44D}"),
            reaction(FRIEND, "$3", "$m", "\u{1F44D}"),
        ],
    )
    .await;
    // By their own ghost.
    app.push_events("3", &[reaction("@facebook_100:lab.local", "$4", "$m", "x")])
        .await;
    assert_eq!(
        shown(&app).await,
        expected(&[("\u{1F44D}", 2, false), ("x", 1, true)])
    );
    assert_eq!(
        frames(&app, "user_alice", seen).await,
        ["message.updated"; 2]
    );
    // One of two equal ones changes nothing; both do.
    app.push_events("4", &[redaction(ROOM, FRIEND, "$r1", "$2")])
        .await;
    assert_eq!(frames(&app, "user_alice", seen).await.len(), 2);
    app.push_events("5", &[redaction(ROOM, FRIEND, "$r2", "$3")])
        .await;
    assert_eq!(
        shown(&app).await,
        expected(&[("\u{1F44D}", 1, false), ("x", 1, true)])
    );
    assert_eq!(frames(&app, "user_alice", seen).await.len(), 3);
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_tells_them_too() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$m", "hi"),
            reaction(GHOST, "$1", "$m", "a"),
        ],
    )
    .await;
    let told = "SELECT count(*) FROM tributary.messages m JOIN tributary.participants p
                ON p.matrix_user_id = '@facebook_1:lab.local'
                WHERE m.metadata = jsonb_build_object('reactions', jsonb_build_array(
                    jsonb_build_object('key', 'a', 'count', 1, 'senders', jsonb_build_array(p.id))))";
    assert_eq!(count(&app.app.db, told).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_wait_for_their_message_and_a_redaction_for_them() {
    let app = alice_and_bob().await;
    let seen = position(&app, "user_alice").await;
    app.push_events(
        "1",
        &[
            redaction(ROOM, GHOST, "$r", "$2"),
            reaction(FRIEND, "$1", "$m", "a"),
            reaction(GHOST, "$2", "$m", "a"),
        ],
    )
    .await;
    app.push_events("2", &[text(ROOM, GHOST, "$m", "hi")]).await;
    assert_eq!(shown(&app).await, expected(&[("a", 1, false)]));
    assert_eq!(frames(&app, "user_alice", seen).await, ["message.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_message_has_none() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$m", "hi"),
            reaction(FRIEND, "$1", "$m", "a"),
        ],
    )
    .await;
    app.push_events("2", &[redaction(ROOM, GHOST, "$r", "$m")])
        .await;
    app.push_events("3", &[reaction(FRIEND, "$2", "$m", "b")])
        .await;
    assert_eq!(shown(&app).await, expected(&[]));
    assert_eq!(
        count(&app.app.db, "SELECT count(*) FROM tributary.reactions").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reacts_is_a_participant() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$m", "hi"),
            reaction(FRIEND, "$1", "$m", "a"),
        ],
    )
    .await;
    let path = only_path(&app, "user_alice").await;
    let people = app.get("user_alice", &path).await.json();
    let message = messages(&app, "user_alice").await.remove(0);
    let sender = &message["reactions"][0]["senders"][0];
    let people = people["participants"].as_array().unwrap();
    let friend = people.iter().find(|p| &p["id"] == sender).unwrap();
    assert_eq!(friend["matrixUserId"], FRIEND);
}

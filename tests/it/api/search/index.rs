//! What is not among the newest messages is found by the index, and as it is shown.

use serde_json::{Value, json};

use super::{found, index};
use crate::{
    api::{
        app::TestApp,
        conversations::{ALICE, BOB, GHOST, ROOM, alice_and_bob},
        world::{member, now, portal, redaction, text_at},
    },
    support::world::count,
};

/// So many that what was before them has to be found by the index.
const NEWER: usize = 450;

fn edit(event_id: &str, of: &str, body: &str, ts: i64) -> Value {
    let mut edit = text_at(ROOM, GHOST, event_id, &format!("* {body}"), ts);
    edit["content"]["m.new_content"] = json!({"msgtype": "m.text", "body": body});
    edit["content"]["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": of});
    edit
}

/// Messages of now in a room of Alice's.
async fn bury(app: &TestApp) {
    portal(app, "!busy", &[ALICE, GHOST]).await;
    let at = now();
    for batch in 0..NEWER.div_ceil(50) {
        let events: Vec<_> = (0..50)
            .map(|n| text_at("!busy", GHOST, &format!("$busy{batch}-{n}"), "chatter", at))
            .collect();
        app.push_events(&format!("busy{batch}"), &events).await;
    }
}

async fn words(app: &TestApp, word: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM tributary.search_entries WHERE document::text LIKE '%{word}%'"
    );
    count(&app.app.db, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_found_and_what_was_is_not() {
    let app = alice_and_bob().await;
    let at = now() - 86_400_000;
    let events = [
        text_at(ROOM, GHOST, "$edited", "platypus", at),
        text_at(ROOM, GHOST, "$gone", "wombat", at + 1),
        text_at(ROOM, GHOST, "$kept", "echidna", at + 2),
    ];
    app.push_events("1", &events).await;
    bury(&app).await;
    assert_eq!(
        found(&app, "user_alice", "echidna").await,
        [""; 0],
        "it is not by the index"
    );
    index(&app).await;
    for (word, id) in [
        ("platypus", "$edited"),
        ("wombat", "$gone"),
        ("echidna", "$kept"),
        ("echi", "$kept"),
    ] {
        assert_eq!(found(&app, "user_alice", word).await, [id]);
    }
    let changes = [
        edit("$edit", "$edited", "numbat", at + 3),
        redaction(ROOM, GHOST, "$redaction", "$gone"),
    ];
    app.push_events("2", &changes).await;
    // Also while the index lags behind.
    for word in ["platypus", "wombat"] {
        assert_eq!(found(&app, "user_alice", word).await, [""; 0], "{word}");
    }
    index(&app).await;
    for (word, ids) in [
        ("platypus", &[][..]),
        ("wombat", &[]),
        ("numbat", &["$edited"]),
        ("echidna", &["$kept"]),
    ] {
        assert_eq!(found(&app, "user_alice", word).await, ids, "{word}");
    }
    assert_eq!(words(&app, "wombat").await, 0);
    // The original is kept for whoever had left; back it comes when the edit goes.
    app.push_events("3", &[redaction(ROOM, GHOST, "$redaction2", "$edit")])
        .await;
    index(&app).await;
    assert_eq!(found(&app, "user_alice", "platypus").await, ["$edited"]);
    assert_eq!(
        (words(&app, "platypus").await, words(&app, "numbat").await),
        (1, 0)
    );
    assert_eq!(
        count(&app.app.db, "SELECT count(*) FROM tributary.search_queue").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_left_finds_what_it_was_for_them() {
    let app = alice_and_bob().await;
    let at = now() - 86_400_000;
    let mut join = member(ROOM, BOB, "$join", "Bob");
    join["unsigned"]["age"] = json!(0);
    app.push_events("1", &[join, text_at(ROOM, GHOST, "$m", "platypus", at)])
        .await;
    let mut leave = member(ROOM, ALICE, "$leave", "Alice");
    leave["content"]["membership"] = json!("leave");
    app.push_events("2", &[leave]).await;
    let later = [
        edit("$e", "$m", "numbat", at + 1),
        text_at(ROOM, GHOST, "$later", "wombat", at + 2),
    ];
    app.push_events("3", &later).await;
    bury(&app).await;
    for _ in 0..2 {
        for (user, word, ids) in [
            ("user_alice", "numbat", &[][..]),
            ("user_alice", "wombat", &[]),
            ("user_bob", "numbat", &["$m"]),
            ("user_bob", "platypus", &[]),
            ("user_bob", "wombat", &["$later"]),
        ] {
            assert_eq!(found(&app, user, word).await, ids, "{user} {word}");
        }
        index(&app).await;
    }
    assert_eq!(found(&app, "user_alice", "platypus").await, ["$m"]);
}

/// The receipt of the leave is counted back from when its push came in, which is too late.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_behind_a_leave_that_was_held_up_is_not_found() {
    let app = alice_and_bob().await;
    let ago = |event_id: &str, body: &str, age: i64| {
        let mut text = text_at(ROOM, GHOST, event_id, body, now() - age);
        text["unsigned"]["age"] = json!(age);
        text
    };
    let mut join = member(ROOM, BOB, "$join", "Bob");
    join["unsigned"]["age"] = json!(0);
    app.push_events("1", &[ago("$m", "platypus", 31_000), join])
        .await;
    let mut leave = member(ROOM, ALICE, "$leave", "Alice");
    leave["content"]["membership"] = json!("leave");
    leave["origin_server_ts"] = json!(now() - 30_000);
    leave["unsigned"]["replaces_state"] = json!("$alice");
    app.push_events("2", &[leave]).await;
    app.push_events("3", &[ago("$later", "platypus", 29_000)])
        .await;
    for _ in 0..2 {
        assert_eq!(found(&app, "user_alice", "platypus").await, ["$m"]);
        let of_bob = found(&app, "user_bob", "platypus").await;
        assert_eq!(of_bob, ["$later", "$m"]);
        bury(&app).await;
        index(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_other_rules_is_made_anew() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[text_at(ROOM, GHOST, "$m", "platypus", now() - 86_400_000)],
    )
    .await;
    bury(&app).await;
    index(&app).await;
    let mut conn = app.app.db.get().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(
        &mut conn,
        "TRUNCATE tributary.search_entries; UPDATE tributary.search_progress SET version = 0",
    )
    .await
    .unwrap();
    drop(conn);
    assert_eq!(found(&app, "user_alice", "platypus").await, [""; 0]);
    index(&app).await;
    assert_eq!(found(&app, "user_alice", "platypus").await, ["$m"]);
    let whole =
        "SELECT count(*) FROM tributary.search_progress WHERE after_id IS NULL AND version > 0";
    assert_eq!(count(&app.app.db, whole).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_purged_leaves_the_index_too() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text_at(ROOM, GHOST, "$m", "platypus", now())])
        .await;
    index(&app).await;
    assert_eq!(words(&app, "platypus").await, 1);
    app.push_events("2", &[text_at(ROOM, GHOST, "$n", "wombat", now())])
        .await;
    let request = app.viewer("user_alice", reqwest::Method::DELETE, "/api/account");
    assert!(request.send().await.unwrap().status().is_success());
    index(&app).await;
    assert_eq!(
        count(&app.app.db, "SELECT count(*) FROM tributary.search_entries").await,
        0
    );
}

/// Two replicas take turns, and what one of them was to delete meanwhile is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work() {
    let app = alice_and_bob().await;
    bury(&app).await;
    let db = &app.app.db;
    let (one, other) = tokio::join!(index(&app), index(&app));
    assert_eq!((one, other), ((), ()));
    index(&app).await;
    let entries = count(db, "SELECT count(*) FROM tributary.search_entries").await;
    assert_eq!(
        entries,
        count(db, "SELECT count(*) FROM tributary.messages").await
    );
}

//! Edits: the latest valid one is shown, and every version is kept.

use super::*;

fn bodies(versions: &Value) -> Vec<&str> {
    let versions = versions.as_array().unwrap();
    versions
        .iter()
        .map(|v| v["body"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_edit_is_shown_and_every_version_kept() {
    let app = alice_and_bob().await;
    let mut original = text(ROOM, GHOST, "$m", "one");
    original["content"]["m.relates_to"] = json!({"m.in_reply_to": {"event_id": "$before"}});
    let mut before = text(ROOM, GHOST, "$before", "zero");
    before["origin_server_ts"] = json!(now() - 1_000);
    app.push_events("1", &[before, original]).await;
    let seen = position(&app, "user_alice").await;
    let (mut second, mut third) = (
        edit(GHOST, "$e2", "$m", "two"),
        edit(GHOST, "$e3", "$m", "three"),
    );
    second["origin_server_ts"] = json!(now() + 5_000);
    third["origin_server_ts"] = json!(now() + 9_000);
    third["content"]["m.new_content"]["format"] = json!("org.matrix.custom.html");
    third["content"]["m.new_content"]["formatted_body"] = json!("<b>three</b><script>x</script>");
    app.push_events("2", &[third.clone()]).await;
    app.push_events("3", &[second]).await;
    // The one that came late is older: it changes nothing that is shown.
    assert_eq!(frames(&app, "user_alice", seen).await, ["message.updated"]);

    let messages = messages(&app, "user_alice").await;
    assert_eq!(messages.len(), 2);
    let shown = &messages[1];
    assert_eq!(
        (&shown["body"], &shown["formattedBody"]),
        (&json!("three"), &json!("<b>three</b>"))
    );
    assert_eq!(shown["replyTo"], messages[0]["id"]);
    let at = chrono::DateTime::parse_from_rfc3339(shown["editedAt"].as_str().unwrap()).unwrap();
    assert_eq!(json!(at.timestamp_millis()), third["origin_server_ts"]);
    let whole = whole(&app, "user_alice", shown).await;
    assert_eq!(bodies(&whole["versions"]), ["one", "two", "three"]);
    assert_eq!(whole["versions"][0]["eventId"], "$m");
    assert_eq!(whole["content"]["body"], "three");
    assert_eq!(
        whole["content"]["m.relates_to"]["m.in_reply_to"]["event_id"],
        "$before"
    );
    assert_eq!(
        only(&app, "user_alice").await["lastMessage"]["body"],
        "three"
    );
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_edit_brings_the_one_before_back() {
    let app = alice_and_bob().await;
    let mut later = edit(GHOST, "$e2", "$m", "three");
    later["origin_server_ts"] = json!(now() + 5_000);
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$m", "one"),
            edit(GHOST, "$e1", "$m", "two"),
            later,
        ],
    )
    .await;
    let shown = async || messages(&app, "user_alice").await.remove(0);
    assert_eq!(shown().await["body"], "three");
    let seen = position(&app, "user_alice").await;
    app.push_events("2", &[redaction(ROOM, GHOST, "$r2", "$e2")])
        .await;
    assert_eq!(shown().await["body"], "two");
    app.push_events("3", &[redaction(ROOM, GHOST, "$r1", "$e1")])
        .await;
    let last = shown().await;
    assert_eq!(
        (&last["body"], &last["editedAt"]),
        (&json!("one"), &json!(null))
    );
    assert!(
        whole(&app, "user_alice", &last)
            .await
            .get("versions")
            .is_none()
    );
    assert_eq!(
        frames(&app, "user_alice", seen).await,
        ["message.updated"; 2]
    );
    let left =
        "SELECT count(*) FROM tributary.message_versions WHERE content IS NOT NULL OR body <> ''";
    assert_eq!(count(&app.app.db, left).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_valid_edit_changes_nothing() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$m", "one"),
            edit(GHOST, "$e", "$m", "two"),
        ],
    )
    .await;
    let seen = position(&app, "user_alice").await;
    let mut of_another_type = edit(GHOST, "$type", "$m", "wrong");
    of_another_type["type"] = json!("m.sticker");
    let mut without_content = edit(GHOST, "$without", "$m", "wrong");
    without_content["content"]["m.new_content"] = json!(null);
    app.push_events(
        "2",
        &[
            edit(FRIEND, "$sender", "$m", "wrong"),
            of_another_type,
            edit(GHOST, "$of-edit", "$e", "wrong"),
            edit(GHOST, "$self", "$self", "wrong"),
            without_content,
        ],
    )
    .await;
    assert_eq!(frames(&app, "user_alice", seen).await, [""; 0]);
    let messages = messages(&app, "user_alice").await;
    assert_eq!((messages.len(), &messages[0]["body"]), (1, &json!("two")));
    let versions = whole(&app, "user_alice", &messages[0]).await;
    assert_eq!(bodies(&versions["versions"]), ["one", "two"]);
    let dead = "SELECT count(*) FROM tributary.dead_letters WHERE event_id = '$without'";
    assert_eq!(count(&app.app.db, dead).await, 1);
}

/// A secret wherever what is about `$m` or its edit could leave one.
fn secrets() -> Vec<Value> {
    let mut without_content = edit(GHOST, "$without", "$m", "a secret");
    without_content["content"]["m.new_content"] = json!(null);
    let mut with_a_file = edit(GHOST, "$of-edit", "$e", "a secret");
    with_a_file["content"]["m.new_content"]["msgtype"] = json!("m.image");
    with_a_file["content"]["m.new_content"]["url"] = json!("mxc://lab.local/secret");
    let mut no_event = edit(GHOST, "$no-event", "$e", "a secret");
    no_event["origin_server_ts"] = json!("yesterday");
    vec![
        edit(GHOST, "$e", "$m", "a secret"),
        with_a_file,
        reaction(GHOST, "$to-edit", "$e", "a secret"),
        reaction(GHOST, "$too-long", "$m", &"a secret".repeat(200)),
        without_content,
        no_event,
    ]
}

/// Rows of any table that holds what people wrote.
const SECRETS: &str = "SELECT count(*) FROM (
    SELECT t::text FROM tributary.messages t UNION ALL
    SELECT t::text FROM tributary.message_versions t UNION ALL
    SELECT t::text FROM tributary.reactions t UNION ALL
    SELECT t::text FROM tributary.attachments t UNION ALL
    SELECT t::text FROM tributary.media t UNION ALL
    SELECT t::text FROM tributary.dead_letters t) AS row(shown) WHERE shown LIKE '%secret%'";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_said_about_a_redacted_message_is_left() {
    let message = || text(ROOM, GHOST, "$m", "a secret");
    let gone = || redaction(ROOM, GHOST, "$r", "$m");
    let secrets = || {
        let mut secrets = secrets();
        secrets.reverse();
        secrets
    };
    let orders: [Vec<Vec<Value>>; 4] = [
        vec![vec![message()], secrets(), vec![gone()]],
        vec![vec![gone()], vec![message()], secrets()],
        vec![secrets(), vec![gone()], vec![message()]],
        // Each on its own.
        std::iter::once(message())
            .chain(secrets())
            .chain([gone()])
            .map(|event| vec![event])
            .collect(),
    ];
    for (n, order) in orders.into_iter().enumerate() {
        let app = alice_and_bob().await;
        for (m, events) in order.iter().enumerate() {
            app.push_events(&format!("{n}-{m}"), events).await;
        }
        assert_eq!(count(&app.app.db, SECRETS).await, 0, "order {n}");
        assert_eq!(messages(&app, "user_alice").await.len(), 1, "order {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_without_content_gets_it_when_it_can_be_read() {
    let app = alice_and_bob().await;
    let mut without_content = edit(GHOST, "$e", "$m", "two");
    without_content["content"]["m.new_content"] = json!(null);
    let message = text(ROOM, GHOST, "$m", "one");
    app.push_events("1", &[message, without_content]).await;
    assert_eq!(messages(&app, "user_alice").await[0]["body"], "one");
    let seen = position(&app, "user_alice").await;
    // As after a fix of what could not read it.
    let whole = edit(GHOST, "$e", "$m", "two");
    app.push_events("2", &[whole.clone(), whole]).await;
    assert_eq!(messages(&app, "user_alice").await[0]["body"], "two");
    assert_eq!(frames(&app, "user_alice", seen).await, ["message.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_waits_for_its_message() {
    let app = alice_and_bob().await;
    let seen = position(&app, "user_alice").await;
    app.push_events("1", &[edit(GHOST, "$e", "$m", "two")])
        .await;
    assert!(messages(&app, "user_alice").await.is_empty());
    app.push_events("2", &[text(ROOM, GHOST, "$m", "one")])
        .await;
    assert_eq!(messages(&app, "user_alice").await[0]["body"], "two");
    assert_eq!(frames(&app, "user_alice", seen).await, ["message.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_message_has_no_versions() {
    let app = alice_and_bob().await;
    let edits = |n: usize| edit(GHOST, &format!("$e{n}"), "$m", "a secret of versions");
    app.push_events("1", &[text(ROOM, GHOST, "$m", "a secret"), edits(1)])
        .await;
    app.push_events("2", &[redaction(ROOM, GHOST, "$r", "$m")])
        .await;
    app.push_events("3", &[edits(2)]).await;
    let shown = messages(&app, "user_alice").await.remove(0);
    assert_eq!(
        (&shown["body"], &shown["editedAt"]),
        (&json!(""), &json!(null))
    );
    assert!(shown["deletedAt"].is_string());
    let whole = whole(&app, "user_alice", &shown).await;
    assert!(whole.get("versions").is_none() && whole.get("content").is_none());
    let left = "SELECT count(*) FROM tributary.message_versions v WHERE v::text LIKE '%secret%'";
    assert_eq!(count(&app.app.db, left).await, 0);
}

/// Said, and received by the homeserver, so many milliseconds ago.
fn ago(mut event: Value, age: i64) -> Value {
    event["origin_server_ts"] = json!(now() - age);
    event["unsigned"]["age"] = json!(age);
    event
}

/// Its receipt is counted back from when its push came in, which is too late.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_left_sees_what_it_was_when_the_leave_was_held_up() {
    let app = shared_room().await;
    let mut left = ago(leave(BOB), 30_000);
    left["unsigned"]["age"] = json!(0);
    app.push_events("1", &[ago(text(ROOM, GHOST, "$m", "one"), 40_000)])
        .await;
    app.push_events("2", &[left]).await;
    let seen = position(&app, "user_bob").await;
    let later = [
        ago(edit(GHOST, "$e", "$m", "behind his back"), 29_000),
        ago(reaction(FRIEND, "$r", "$m", "a"), 29_000),
        ago(text(ROOM, GHOST, "$later", "two"), 29_000),
    ];
    app.push_events("3", &later).await;
    assert_eq!(frames(&app, "user_bob", seen).await, [""; 0]);
    for (user, body, reactions, versions) in [
        ("user_alice", "behind his back", 1, 2),
        ("user_bob", "one", 0, 0),
    ] {
        let shown = messages(&app, user).await.remove(0);
        assert_eq!(shown["body"], body, "{user}");
        assert_eq!(shown["editedAt"].is_null(), versions == 0, "{user}");
        let found = shown["reactions"].as_array().unwrap().len();
        assert_eq!(found, reactions, "{user}");
        let whole = whole(&app, user, &shown).await;
        assert_eq!(whole["content"]["body"], body, "{user}");
        let found = whole["versions"].as_array().map_or(0, Vec::len);
        assert_eq!(found, versions, "{user}");
    }
    assert_eq!(messages(&app, "user_alice").await.len(), 2);
    assert_eq!(messages(&app, "user_bob").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_left_sees_what_it_was() {
    let app = shared_room().await;
    app.push_events(
        "1",
        &[
            text(ROOM, GHOST, "$m", "one"),
            edit(GHOST, "$e1", "$m", "two"),
            reaction(FRIEND, "$r1", "$m", "a"),
        ],
    )
    .await;
    app.push_events("2", &[leave(BOB)]).await;
    let seen = (
        position(&app, "user_alice").await,
        position(&app, "user_bob").await,
    );
    let mut later = edit(GHOST, "$e2", "$m", "behind his back");
    later["origin_server_ts"] = json!(now() + 5_000);
    app.push_events("3", &[later, reaction(FRIEND, "$r2", "$m", "b")])
        .await;
    assert_eq!(
        frames(&app, "user_alice", seen.0).await,
        ["message.updated"]
    );
    assert_eq!(frames(&app, "user_bob", seen.1).await, [""; 0]);

    let mut versions = Vec::new();
    for (user, body, keys) in [
        ("user_alice", "behind his back", &["a", "b"][..]),
        ("user_bob", "two", &["a"]),
    ] {
        let shown = messages(&app, user).await.remove(0);
        assert_eq!(shown["body"], body, "{user}");
        let reactions = shown["reactions"].as_array().unwrap();
        let seen: Vec<_> = reactions
            .iter()
            .map(|r| r["key"].as_str().unwrap())
            .collect();
        assert_eq!(seen, keys, "{user}");
        let whole = whole(&app, user, &shown).await;
        assert_eq!(whole["content"]["body"], body, "{user}");
        versions.push(bodies(&whole["versions"]).len());
    }
    assert_eq!(versions, [3, 2]);
    // Of two edits at once, one before the leave: both have something new to see.
    let seen = (
        position(&app, "user_alice").await,
        position(&app, "user_bob").await,
    );
    let (mut before, mut behind) = (
        edit(GHOST, "$e0", "$m", "two and a half"),
        edit(GHOST, "$e3", "$m", "three"),
    );
    before["unsigned"]["age"] = json!(60_000);
    before["origin_server_ts"] = json!(now() + 1_000);
    behind["origin_server_ts"] = json!(now() + 9_000);
    app.push_events("late", &[before, behind]).await;
    for (user, body, seen) in [
        ("user_alice", "three", seen.0),
        ("user_bob", "two and a half", seen.1),
    ] {
        assert_eq!(messages(&app, user).await[0]["body"], body, "{user}");
        assert_eq!(
            frames(&app, user, seen).await,
            ["message.updated"],
            "{user}"
        );
    }
    let seen = (seen.0, position(&app, "user_bob").await);
    app.push_events("back", &[redaction(ROOM, GHOST, "$r0", "$e0")])
        .await;
    assert_eq!(frames(&app, "user_bob", seen.1).await, ["message.updated"]);
    let seen = (seen.0, position(&app, "user_bob").await);
    // What is taken back is taken from everybody, and whoever still saw it is told.
    app.push_events("4", &[redaction(ROOM, GHOST, "$r", "$e1")])
        .await;
    assert_eq!(messages(&app, "user_bob").await[0]["body"], "one");
    assert_eq!(frames(&app, "user_bob", seen.1).await, ["message.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_edit_is_no_message() {
    let app = alice_and_bob().await;
    let edits = |n: usize| edit(GHOST, &format!("$e{n}"), "$m", "two");
    let of = |n: usize| pruned(edits(n), &format!("$r{n}"));
    app.push_events("1", &[text(ROOM, GHOST, "$m", "one"), edits(1), of(1)])
        .await;
    assert_eq!(messages(&app, "user_alice").await.len(), 1);
    // Pruned alone it cannot be told from a message; whole it can.
    app.push_events("2", &[of(2)]).await;
    assert_eq!(messages(&app, "user_alice").await.len(), 2);
    app.push_events("3", &[edits(2)]).await;
    let left = messages(&app, "user_alice").await;
    assert_eq!((left.len(), &left[0]["body"]), (1, &json!("one")));
    let list = only(&app, "user_alice").await;
    assert_eq!(list["lastEventAt"], left[0]["timestamp"]);
    // What comes along with it is counted once.
    app.push_events("5", &[of(5)]).await;
    app.push_events("6", &[edits(5), text(ROOM, GHOST, "$n", "two")])
        .await;
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 2);
    // Also where nobody could read it.
    let (mut encrypted, mut invalid) = (edits(3), edits(4));
    encrypted["type"] = json!("m.room.encrypted");
    invalid["content"]["m.new_content"] = json!(null);
    for edit in [encrypted, invalid] {
        let id = edit["event_id"].as_str().unwrap().to_owned();
        app.push_events(&id, std::slice::from_ref(&edit)).await;
        let copy = pruned(edit, &format!("$of{id}"));
        app.push_events(&format!("{id} pruned"), &[copy]).await;
        assert_eq!(messages(&app, "user_alice").await.len(), 2, "{id}");
    }
    let dead = "SELECT count(*) FROM tributary.dead_letters";
    assert_eq!(count(&app.app.db, dead).await, 0);
}

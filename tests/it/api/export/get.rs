//! What is in an export, and how it goes on.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{PATH, behind, lines, whole};
use crate::api::{
    app::{Answer, TestApp},
    conversations::{ALICE, BOB, GHOST, ROOM, alice_and_bob},
    world::{member, now, portal, redaction, text, text_at},
};

const GROUP: &str = "!group";

/// Alice's direct chat, and a group that Bob leaves; with edits, a reaction, a file and what
/// was unsent.
pub(super) async fn lived_in() -> TestApp {
    let app = alice_and_bob().await;
    portal(&app, GROUP, &[ALICE, BOB, GHOST]).await;
    let at = now() - 60_000;
    let edit = |id: &str, room: &str, target: &str, body: &str, at: i64| {
        let mut edit = text_at(room, GHOST, id, &format!("* {body}"), at);
        edit["content"]["m.new_content"] = json!({"msgtype": "m.text", "body": body});
        edit["content"]["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": target});
        edit
    };
    let mut file = text_at(ROOM, GHOST, "$file", "cat.png", at + 5);
    file["content"] = json!({"msgtype": "m.image", "body": "cat.png", "url": "mxc://lab.local/cat",
                             "info": {"mimetype": "image/png", "size": 3}});
    let mut reaction = text_at(ROOM, ALICE, "$reaction", "", at + 6);
    reaction["type"] = json!("m.reaction");
    reaction["content"] =
        json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "+"}});
    let events = [
        text_at(ROOM, GHOST, "$1", "hello", at),
        text_at(ROOM, ALICE, "$2", "and back", at),
        edit("$3", ROOM, "$1", "hello, better", at + 1),
        edit("$4", ROOM, "$1", "hello, best", at + 2),
        text_at(ROOM, GHOST, "$secret", "unsent", at + 3),
        file,
        reaction,
        text_at(GROUP, GHOST, "$g1", "to all", at),
        text_at(GROUP, BOB, "$g2", "from bob", at + 1),
    ];
    app.push_events("lived", &events).await;
    let mut leave = member(GROUP, BOB, "$leave", "Bob");
    leave["content"]["membership"] = json!("leave");
    leave["unsigned"]["age"] = json!(0);
    app.push_events(
        "left",
        &[redaction(ROOM, GHOST, "$unsend", "$secret"), leave],
    )
    .await;
    // Received after it.
    let after = [
        text(GROUP, GHOST, "$g3", "without bob"),
        edit("$g4", GROUP, "$g1", "to all but bob", now()),
    ];
    app.push_events("after", &after).await;
    app
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_everything_that_its_user_may_see_and_nothing_else() {
    let app = lived_in().await;
    let answer = app.get("user_bob", PATH).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.text.contains("but bob") && !answer.text.contains("without bob"));
    assert!(!answer.text.contains("hello"), "it is Alice's");
    let of_bob = lines(&answer.text);
    assert_eq!(of_bob[0]["type"], "header");
    assert_eq!(
        (&of_bob[0]["version"], &of_bob[0]["resumed"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(of_bob[0]["userId"], "user_bob");
    let ids: Vec<_> = of(&of_bob, "message")
        .iter()
        .map(|line| line["message"]["matrixEventId"].clone())
        .collect();
    assert_eq!(ids, ["$g1", "$g2"]);
    // That there is an edit would be told by its original.
    assert!(of(&of_bob, "version").is_empty());

    let of_alice = whole(&app, "user_alice").await;
    let versions = of(&of_alice, "version");
    let ids: BTreeSet<_> = versions
        .iter()
        .map(|line| line["version"]["eventId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, BTreeSet::from(["$1", "$3", "$4", "$g1", "$g4"]));
    assert!(
        !of_alice
            .iter()
            .any(|line| line.to_string().contains("unsent"))
    );
    let file = of(&of_alice, "message")
        .into_iter()
        .find(|line| line["media"] != json!([]));
    let entry = &file.unwrap()["media"][0];
    assert_eq!(
        (
            &entry["kind"],
            &entry["fileName"],
            &entry["mimeType"],
            &entry["size"]
        ),
        (
            &json!("image"),
            &json!("cat.png"),
            &json!("image/png"),
            &json!(3)
        )
    );
    assert_eq!(
        (&entry["state"], &entry["url"], &entry["sha256"]),
        (&json!("pending"), &json!(null), &json!(null))
    );
    let end = of_alice.last().unwrap();
    assert_eq!(
        end["lines"],
        json!({"message": 7, "version": 5, "conversation": 2, "connection": 1})
    );
    let stranger = whole(&app, "user_stranger").await;
    assert_eq!(stranger.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_file_is_in_the_manifest_with_its_hash() {
    let app = lived_in().await;
    let mut conn = app.app.db.get().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(
        &mut *conn,
        "INSERT INTO tributary.media_objects (sha256, stored_at) VALUES (decode(repeat('ab', 32), 'hex'), now());
         UPDATE tributary.media SET state = 'stored', sha256 = decode(repeat('ab', 32), 'hex'), size = 7,
             mime_type = 'image/webp', settled_at = now()
         WHERE mxc = 'mxc://lab.local/cat'",
    )
    .await
    .unwrap();
    let lines = whole(&app, "user_alice").await;
    let messages = of(&lines, "message");
    let file = messages
        .iter()
        .find(|line| line["media"] != json!([]))
        .unwrap();
    let entry = &file["media"][0];
    assert_eq!(
        (&entry["mimeType"], &entry["size"]),
        (&json!("image/webp"), &json!(7))
    );
    assert_eq!(
        (&entry["state"], &entry["sha256"]),
        (&json!("stored"), &json!("ab".repeat(32)))
    );
    assert_eq!(
        entry["url"],
        format!("/api/media/{}", entry["id"].as_str().unwrap())
    );
}

/// Cut behind any line, the rest is exactly what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_behind_any_line() {
    let app = lived_in().await;
    let all = whole(&app, "user_alice").await;
    for (at, line) in all
        .iter()
        .enumerate()
        .filter(|(_, line)| line.get("cursor").is_some())
    {
        let rest = lines(&behind(&app, "user_alice", line).await.text);
        assert_eq!(rest[0]["resumed"], true);
        let (rest, missing) = (&rest[1..rest.len() - 1], &all[at + 1..all.len() - 1]);
        assert_eq!(rest, missing, "behind line {at}");
    }
    // Somebody else's leads to nothing that is not one's own.
    let rest = behind(&app, "user_stranger", &all[1]).await;
    assert_eq!(lines(&rest.text).len(), 2);
}

/// What was there when it began comes exactly once, whatever comes in meanwhile, and wherever.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_meanwhile_neither_repeats_nor_skips_what_was_there() {
    let app = lived_in().await;
    let before = whole(&app, "user_alice").await;
    let key = |line: &Value| match line["type"].as_str().unwrap() {
        kind @ ("message" | "conversation" | "connection") => {
            Some(format!("{kind} {}", line[kind]["id"]))
        }
        "version" => Some(format!("version {}", line["version"]["eventId"])),
        _ => None,
    };
    let mut seen = Vec::new();
    let mut goes_on = format!("{PATH}?");
    for nth in 0.. {
        let answer = app.get("user_alice", &goes_on).await;
        let part = lines(&answer.text);
        // Only the first line behind the header was read before it broke off.
        let Some(key) = key(&part[1]) else { break };
        seen.push(key);
        goes_on = format!("{PATH}?cursor={}", part[1]["cursor"].as_str().unwrap());
        let (old, new) = (now() - 100_000 - nth, now());
        let events = [
            text_at(ROOM, GHOST, &format!("$old{nth}"), "older than all", old),
            text_at(GROUP, GHOST, &format!("$new{nth}"), "newer than all", new),
        ];
        if nth < 8 {
            app.push_events(&format!("meanwhile{nth}"), &events).await;
            portal(&app, &format!("!new{nth}"), &[ALICE, GHOST]).await;
        }
    }
    let once: BTreeSet<_> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "{seen:?}");
    for line in &before {
        assert!(
            key(line).is_none_or(|key| once.contains(&key)),
            "{line} is missing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cursor_is_refused() {
    let app = alice_and_bob().await;
    let list = app.get("user_alice", "/api/conversations").await.json();
    let of_stream = list["cursor"].as_str().unwrap();
    for query in [
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "limit=1",
        &format!("cursor={of_stream}"),
    ] {
        let answer = app.get("user_alice", &format!("{PATH}?{query}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request"),
            "{query}"
        );
    }
    let app = TestApp::without_database().await;
    let answer = Answer::of(app.viewer("user_alice", Method::GET, PATH)).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable")
    );
}

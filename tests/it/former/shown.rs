//! On every surface.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BEFORE, LATER, USER_A, USER_B, ids, left, named, person, view};
use crate::{
    api::{
        conversations::{ALICE, GHOST, only_path},
        media::is_like_missing,
    },
    former::{GROUP, NEWCOMER},
    support::{
        app::Answer,
        pushes::{member, text},
    },
};

/// Where names and pictures are, of a conversation and of a message in it.
async fn surfaces(archive: &crate::api::media::Archive, user: &str) -> Vec<(&'static str, String)> {
    let app = &archive.app;
    let path = only_path(app, user).await;
    let messages = app.get(user, &format!("{path}/messages")).await.json();
    let said = messages["items"].as_array().unwrap().iter();
    let said = said
        .clone()
        .find(|message| message["matrixEventId"] == "$said");
    let id = said.unwrap()["id"].as_str().unwrap().to_owned();
    let mut read = Vec::new();
    for (what, path) in [
        ("the list", "/api/conversations".to_owned()),
        ("the conversation", path.clone()),
        ("its messages", format!("{path}/messages")),
        ("a message", format!("/api/messages/{id}")),
        ("its context", format!("/api/messages/{id}/context")),
        ("a search for words", "/api/search?q=word".to_owned()),
        ("a search for a name", "/api/search?q=grace".to_owned()),
        ("numbers", "/api/analytics".to_owned()),
        ("an export", "/api/export".to_owned()),
    ] {
        let answer = app.get(user, &path).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        read.push((what, answer.text));
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_left_is_shown_what_people_were_then() {
    let archive = left().await;
    let [old_room, old_face] = ids(&archive, BEFORE).await.map(|id| id.to_string());
    let [new_room, new_face] = ids(&archive, LATER).await.map(|id| id.to_string());
    for (what, text) in surfaces(&archive, USER_A).await {
        for later in ["Quentin", "Newcomer", &new_room, &new_face] {
            assert!(!text.contains(later), "{later} in {what}: {text}");
        }
        assert!(text.contains("\"Grace\""), "{what}: {text}");
        assert!(text.contains(&old_face), "{what}: {text}");
    }
    for (what, text) in surfaces(&archive, USER_B).await {
        let is_found = what != "a search for a name";
        assert_eq!(text.contains("Quentin"), is_found, "{what}: {text}");
        assert!(
            !text.contains(&old_room) && !text.contains(&old_face),
            "{what}"
        );
    }
    let of_alice = view(&archive.app, USER_A).await;
    assert_eq!(of_alice["title"], "Grace and others");
    assert_eq!(
        of_alice["avatarUrl"],
        json!(format!("/api/media/{old_room}"))
    );
    assert!(person(&of_alice, NEWCOMER).is_none());
    let of_bob = view(&archive.app, USER_B).await;
    assert_eq!(of_bob["avatarUrl"], json!(format!("/api/media/{new_room}")));
    assert!(person(&of_bob, NEWCOMER).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_name_finds_nothing() {
    let archive = left().await;
    let found = async |user, q: &str| {
        let answer = archive.app.get(user, &format!("/api/search?q={q}")).await;
        answer.json()["conversations"].as_array().unwrap().len()
    };
    assert_eq!(
        (found(USER_A, "quentin").await, found(USER_A, "grace").await),
        (0, 1)
    );
    assert_eq!(
        (found(USER_B, "quentin").await, found(USER_B, "grace").await),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_sent_to_whoever_was_there_when_it_was_shown() {
    let archive = left().await;
    let (before, later) = (ids(&archive, BEFORE).await, ids(&archive, LATER).await);
    for (user, theirs, others) in [(USER_A, before, later), (USER_B, later, before)] {
        for id in theirs {
            assert_eq!(archive.get(user, id).await.status, 200, "{user}");
        }
        for id in others {
            is_like_missing(&archive, user, id).await;
        }
        let tickets = archive.tickets(user, &[theirs, others].concat()).await;
        let mut given: Vec<_> = tickets["tickets"].as_object().unwrap().keys().collect();
        given.sort_unstable();
        let mut expected = theirs.map(|id| id.to_string());
        expected.sort_unstable();
        assert_eq!(given, expected.iter().collect::<Vec<_>>(), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_shown_the_present() {
    let archive = left().await;
    let app = &archive.app;
    let back = member(GROUP, ALICE, "$back", "Alice");
    app.push_events("back", &[back]).await;
    let [room, face] = ids(&archive, LATER).await;
    let conversation = view(app, USER_A).await;
    assert_eq!(conversation["title"], "Quentin and others");
    assert_eq!(conversation["avatarUrl"], format!("/api/media/{room}"));
    let grace = person(&conversation, GHOST).unwrap();
    assert_eq!(grace["displayName"], "Quentin");
    assert_eq!(archive.get(USER_A, face).await.status, 200);
    assert!(person(&conversation, NEWCOMER).is_some());
    for nothing in [
        "former_people",
        "conversation_access WHERE has_left OR former_avatar_media_id IS NOT NULL",
        "media WHERE mxc LIKE '%old%'",
    ] {
        let sql = format!("SELECT count(*) FROM tributary.{nothing}");
        let db = &app.app.db;
        assert_eq!(crate::support::world::count(db, &sql).await, 0, "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_deleted_account_nothing_is_left() {
    let archive = left().await;
    let count = async |of: &str| {
        let sql = format!("SELECT count(*) FROM tributary.{of}");
        crate::support::world::count(&archive.app.app.db, &sql).await
    };
    let held = "media_objects WHERE released_at IS NULL";
    assert_eq!((count("former_people").await, count("media").await), (3, 4));
    assert_eq!(count(held).await, 4);
    let delete = archive.app.viewer(USER_A, Method::DELETE, "/api/account");
    let answer = Answer::of(delete).await;
    assert!(answer.status < 300, "{answer:?}");
    assert_eq!((count("former_people").await, count("media").await), (0, 2));
    assert_eq!(count(held).await, 2);
    let of_bob: Value = view(&archive.app, USER_B).await;
    assert_eq!(of_bob["title"], "Quentin and others");
}

/// What was said while they were away stays unknown, also to whoever was there before and after.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_again_has_both_times_and_nothing_between_or_after() {
    let archive = left().await;
    let app = &archive.app;
    app.push_events("back", &[member(GROUP, ALICE, "$back", "Alice")])
        .await;
    let again = text(GROUP, GHOST, "$again", "a word of welcome");
    app.push_events("again", &[again]).await;
    let mut away = member(GROUP, ALICE, "$away", "Alice");
    away["content"] = json!({"membership": "leave"});
    app.push_events("away", &[away]).await;
    let last = ["mxc://lab.local/last-room", "mxc://lab.local/last-face"];
    app.push_events("last", &named(GROUP, "3", "Zelda", last))
        .await;
    app.push_events("spoken", &[text(GROUP, GHOST, "$last", "a word of Zelda")])
        .await;
    for (what, text) in surfaces(&archive, USER_A).await {
        for others in ["a word of Quentin", "Zelda", "$later", "$last"] {
            assert!(!text.contains(others), "{others} in {what}: {text}");
        }
    }
    let path = only_path(app, USER_A).await;
    let messages = app.get(USER_A, &format!("{path}/messages")).await.json();
    let bodies = |list: &Value| {
        let items = list["items"].as_array().unwrap().iter();
        let body = |item: &Value| item["body"].as_str().unwrap().to_owned();
        items.map(body).collect::<Vec<_>>()
    };
    assert_eq!(bodies(&messages), ["a word of welcome", "a word"]);
    let shown = view(app, USER_A).await;
    assert_eq!(shown["lastMessage"]["body"], "a word of welcome");
    assert_eq!(shown["title"], "Quentin and others");
    let export = app.get(USER_A, "/api/export").await.text;
    assert_eq!(
        export.matches("{\"type\":\"message\"").count(),
        2,
        "{export}"
    );
    for mxc in last {
        archive.store(mxc, "image/png", mxc.as_bytes()).await;
        is_like_missing(&archive, USER_A, archive.id(mxc).await).await;
    }
}

//! `GET /api/media/{id}`: to whom, and as what.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Archive, file, is_like_missing, path};
use crate::api::{
    app::{Answer, ORIGIN},
    conversations::{ALICE, GHOST, ROOM, only_path},
    world::{now, redaction},
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_to_whoever_may_see_its_message() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", PNG).await;
    let request = archive.alice(Method::GET, id).header("origin", ORIGIN);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "17"),
        ("content-disposition", "inline; filename=\"a.png\""),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-cache"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("referrer-policy", "no-referrer"),
        ("access-control-allow-origin", ORIGIN),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    // The hash of its content, so that it is the same on every replica and for ever.
    assert_eq!(header("etag").len(), 66);
    assert!(header("access-control-expose-headers").contains("content-range"));
    assert_eq!(answer.bytes().await.unwrap(), PNG);
    is_like_missing(&archive, "user_bob", id).await;
    let stranger = Answer::of(archive.app.request(Method::GET, &path(id))).await;
    assert_eq!(
        (stranger.status, stranger.code().as_str()),
        (401, "unauthorized")
    );
    for malformed in ["x", "01890a5d", "%00"] {
        let path = format!("/api/media/{malformed}");
        let answer = archive.app.get("user_alice", &path).await;
        assert_eq!(answer.code(), "not_found", "{malformed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_could_run_is_saved() {
    let archive = Archive::new().await;
    let name = "<img src=x onerror=alert(1)>\".html";
    for (event, kind, sent) in [
        ("$1", "text/html", "text/html"),
        ("$2", "image/svg+xml", "image/svg+xml"),
        ("$3", "text/javascript", "application/octet-stream"),
        ("$4", "application/pdf", "application/pdf"),
    ] {
        let id = archive.sent(event, name, kind, event.as_bytes()).await;
        let answer = archive.get("user_alice", id).await;
        assert_eq!(answer.header("content-type"), Some(sent));
        let disposition = answer.header("content-disposition").unwrap();
        let quoted =
            "attachment; filename=\"<img src=x onerror=alert(1)>_.html\"; filename*=UTF-8''";
        assert!(disposition.starts_with(quoted), "{disposition}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(
            answer
                .header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_stored_says_why() {
    let archive = Archive::new().await;
    let event = file("$1", "mxc://lab.local/1", "a.png", "image/png");
    archive.app.push_events("1", &[event]).await;
    let id = archive.id("mxc://lab.local/1").await;
    for state in ["pending", "too_large", "forbidden", "missing", "failed"] {
        archive
            .sql(&format!("UPDATE tributary.media SET state = '{state}'"))
            .await;
        let answer = archive.get("user_alice", id).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, format!("media_{state}"))
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let wait = answer.header("retry-after");
        assert_eq!(wait.is_some(), state == "pending", "{state}");
        is_like_missing(&archive, "user_bob", id).await;
    }
    // What the store has lost is missing as well.
    let hash = archive.store("mxc://lab.local/1", "image/png", PNG).await;
    archive.app.app.media.delete(&hash).await.unwrap();
    let answer = archive.get("user_alice", id).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (404, "media_missing")
    );
}

/// A redaction takes the row along; also when it is still there, nobody gets it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_unsent_is_gone() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", PNG).await;
    let other = archive.sent("$2", "b.png", "image/png", b"other").await;
    archive
        .app
        .push_events("3", &[redaction(ROOM, GHOST, "$r", "$1")])
        .await;
    is_like_missing(&archive, "user_alice", id).await;
    assert_eq!(archive.get("user_alice", other).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_left_has_what_was_there_before() {
    let archive = Archive::new().await;
    let before = archive.sent("$1", "a.png", "image/png", PNG).await;
    let leave = json!({
        "event_id": "$leave", "room_id": ROOM, "sender": ALICE, "type": "m.room.member",
        "state_key": ALICE, "origin_server_ts": now(), "unsigned": {"age": 1},
        "content": {"membership": "leave"},
    });
    archive.app.push_events("leave", &[leave]).await;
    let mxc = "mxc://lab.local/after";
    let after = file("$2", mxc, "b.png", "image/png");
    archive.app.push_events("2", &[after]).await;
    // Nobody is left to see it, so it may not even be stored; if it is, it is not hers.
    archive
        .sql(&format!(
            "INSERT INTO tributary.media (mxc) VALUES ('{mxc}') ON CONFLICT DO NOTHING"
        ))
        .await;
    archive.store(mxc, "image/png", b"after").await;
    let after = archive.id(mxc).await;
    assert_eq!(archive.get("user_alice", before).await.status, 200);
    is_like_missing(&archive, "user_alice", after).await;
    let tickets = archive.tickets("user_alice", &[before, after]).await;
    let tickets = tickets["tickets"].as_object().unwrap().clone();
    assert_eq!(tickets.keys().collect::<Vec<_>>(), [&before.to_string()]);
}

fn edit(event_id: &str, sender: &str, mxc: &str) -> Value {
    let new = json!({"msgtype": "m.file", "body": "new.png", "url": mxc});
    json!({
        "event_id": event_id, "room_id": ROOM, "sender": sender, "type": "m.room.message",
        "origin_server_ts": now(), "unsigned": {"age": 1},
        "content": {
            "msgtype": "m.text", "body": "* new", "m.new_content": new,
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_message_all_valid_versions_have_their_files() {
    let archive = Archive::new().await;
    let original = archive.sent("$1", "a.png", "image/png", PNG).await;
    let [theirs, forged] = ["mxc://lab.local/theirs", "mxc://lab.local/forged"];
    let events = [edit("$2", GHOST, theirs), edit("$3", ALICE, forged)];
    archive.app.push_events("2", &events).await;
    for mxc in [theirs, forged] {
        archive.store(mxc, "image/png", mxc.as_bytes()).await;
    }
    assert_eq!(archive.get("user_alice", original).await.status, 200);
    let edited = archive.get("user_alice", archive.id(theirs).await).await;
    assert_eq!((edited.status, edited.text.as_str()), (200, theirs));
    // It is no version of the message: nothing shows it.
    is_like_missing(&archive, "user_alice", archive.id(forged).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_people_and_conversations_are_theirs_who_see_them() {
    let archive = Archive::new().await;
    let face = "mxc://lab.local/face";
    let member = json!({
        "event_id": "$face", "room_id": ROOM, "sender": GHOST, "type": "m.room.member",
        "state_key": GHOST, "origin_server_ts": now(), "unsigned": {"age": 1},
        "content": {"membership": "join", "displayname": "Grace", "avatar_url": face},
    });
    let room = json!({
        "event_id": "$room", "room_id": ROOM, "sender": GHOST, "type": "m.room.avatar",
        "state_key": "", "origin_server_ts": now(), "unsigned": {"age": 1},
        "content": {"url": "mxc://lab.local/room"},
    });
    archive.app.push_events("1", &[member, room]).await;
    archive.store(face, "image/png", b"face").await;
    archive
        .store("mxc://lab.local/room", "image/png", b"room")
        .await;
    let conversation = only_path(&archive.app, "user_alice").await;
    let conversation = archive.app.get("user_alice", &conversation).await.json();
    let people = conversation["participants"].as_array().unwrap();
    let grace = people.iter().find(|person| person["matrixUserId"] == GHOST);
    for (url, content) in [
        (&grace.unwrap()["avatarUrl"], "face"),
        (&conversation["avatarUrl"], "room"),
    ] {
        let url = url.as_str().expect("a picture");
        let answer = archive.app.get("user_alice", url).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, content));
        assert_eq!(answer.header("content-disposition"), Some("inline"));
        let id: Uuid = url.strip_prefix("/api/media/").unwrap().parse().unwrap();
        is_like_missing(&archive, "user_bob", id).await;
    }
}

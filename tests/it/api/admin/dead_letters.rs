//! `/api/admin/dead-letters` and `/api/admin/dead-letters/{id}/replay`.

use diesel::{
    sql_query,
    sql_types::{Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use reqwest::Method;
use serde_json::{Value, json};
use tributary::model::new_id;
use uuid::Uuid;

use super::{audit, execute, rows};
use crate::api::{
    app::{Answer, TestApp},
    conversations::{ALICE, GHOST, ROOM, alice_and_bob, only, only_path},
    world::{member, redaction, text, text_at},
};

const LIST: &str = "/api/admin/dead-letters";

/// A letter of ten minutes ago, as an older version may have left it.
async fn letter(app: &TestApp, room_id: &str, event_id: &str, raw: &str) -> Uuid {
    let id = new_id();
    let mut conn = app.app.db.get().await.unwrap();
    sql_query(
        "INSERT INTO tributary.dead_letters (id, room_id, event_id, raw, error, created_at)
         VALUES ($1, $2, $3, $4, 'an older version', now() - interval '10 minutes')",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(room_id)
    .bind::<Text, _>(event_id)
    .bind::<Text, _>(raw)
    .execute(&mut conn)
    .await
    .unwrap();
    id
}

/// A letter whose event is good now.
async fn good_letter(app: &TestApp, event: &Value) -> Uuid {
    let text = |key: &str| event[key].as_str().unwrap();
    letter(app, text("room_id"), text("event_id"), &event.to_string()).await
}

/// A message of ten minutes ago, before which it took a second to arrive.
fn message(event_id: &str, body: &str) -> Value {
    let mut event = text_at(ROOM, GHOST, event_id, body, ten_minutes_ago() - 1000);
    event["unsigned"]["age"] = json!(1000);
    event
}

fn ten_minutes_ago() -> i64 {
    crate::api::world::now() - 600_000
}

async fn replay(app: &TestApp, id: Uuid) -> Answer {
    app.admin(Method::POST, &format!("{LIST}/{id}/replay"))
        .await
}

/// Replays what can be taken in: 200 with this outcome, and the letter is gone.
async fn replayed(app: &TestApp, id: Uuid, outcome: &str) {
    let answer = replay(app, id).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["outcome"], outcome, "{}", answer.text);
    assert_eq!(letters(app).await, 0);
}

async fn letters(app: &TestApp) -> usize {
    rows(app, "SELECT id FROM tributary.dead_letters")
        .await
        .len()
}

async fn messages(app: &TestApp) -> Vec<Value> {
    let path = format!("{}/messages", only_path(app, "user_alice").await);
    let mut page = app.get("user_alice", &path).await.json();
    page["items"].as_array_mut().unwrap().drain(..).collect()
}

async fn created_frames(app: &TestApp) -> usize {
    let sql = "SELECT user_id FROM tributary.outbox WHERE kind = 'message.created'";
    rows(app, sql).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_what_is_wrong_and_never_what_was_said() {
    let app = alice_and_bob().await;
    let mut bad = text(ROOM, GHOST, "$bad", "between the two of us");
    bad["sender"] = json!(5);
    app.push_events("1", std::slice::from_ref(&bad)).await;
    let conversation = only(&app, "user_alice").await;
    letter(&app, "!nobodys", "$old", "{}").await;
    let answer = app.admin(Method::GET, LIST).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text.contains("between"), "{}", answer.text);
    let page = answer.json();
    let items = page["items"].as_array().unwrap();
    assert_eq!((items.len(), &page["nextCursor"]), (2, &Value::Null));
    let first = items[0].as_object().unwrap();
    let mut fields: Vec<_> = first.keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = [
        "bytes",
        "conversationId",
        "createdAt",
        "error",
        "eventId",
        "id",
        "roomId",
    ];
    assert_eq!(fields, expected);
    assert_eq!(first["roomId"], ROOM);
    assert_eq!(first["eventId"], "$bad");
    assert_eq!(first["conversationId"], conversation["id"]);
    assert_eq!(first["bytes"], bad.to_string().len());
    assert_eq!(first["error"], "a field is missing or of the wrong type");
    let created_at = first["createdAt"].as_str().unwrap();
    assert!(
        created_at.len() == 24 && created_at.ends_with('Z'),
        "{created_at}"
    );
    assert_eq!(items[1]["eventId"], "$old");
    assert_eq!(items[1]["conversationId"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_goes_page_by_page_and_room_by_room() {
    let app = TestApp::start().await;
    for n in 0..5 {
        let room = ["!even", "!odd"][n % 2];
        letter(&app, room, &format!("${n}"), "{}").await;
    }
    let page = async |query: &str| {
        app.admin(Method::GET, &format!("{LIST}?{query}"))
            .await
            .json()
    };
    let mut seen = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let page = page(&query).await;
        for item in page["items"].as_array().unwrap() {
            seen.push(item["eventId"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(seen, ["$4", "$3", "$2", "$1", "$0"]);
    let odd = page("roomId=!odd").await;
    let odd: Vec<_> = odd["items"].as_array().unwrap().iter().collect();
    assert_eq!(odd.len(), 2);
    assert!(odd.iter().all(|item| item["roomId"] == "!odd"));
    assert_eq!(page("roomId=!none").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_none_is_refused() {
    let app = alice_and_bob().await;
    let foreign = {
        for event_id in ["$1", "$2"] {
            let event = text(ROOM, GHOST, event_id, "x");
            app.push_events(event_id, &[event]).await;
        }
        let path = format!("{}/messages?limit=1", only_path(&app, "user_alice").await);
        let page = app.get("user_alice", &path).await.json();
        page["nextCursor"].as_str().unwrap().to_owned()
    };
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=",
        "cursor=nonsense",
        &format!("cursor={foreign}"),
        "roomId=%00",
    ] {
        let answer = app.admin(Method::GET, &format!("{LIST}?{query}")).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_does_not_exist_is_not_found() {
    let app = TestApp::start().await;
    for id in [&new_id().to_string(), "x", "%00", "$event"] {
        let path = format!("{LIST}/{id}/replay");
        let answer = app.admin(Method::POST, &path).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (404, "not_found".to_owned()), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_message_that_folds_now_is_stored_counted_and_announced() {
    let app = alice_and_bob().await;
    let event = message("$late", "better late");
    let id = good_letter(&app, &event).await;
    let answer = replay(&app, id).await;
    let expected = json!({"id": id, "roomId": ROOM, "eventId": "$late", "outcome": "stored"});
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(letters(&app).await, 0);
    let stored = messages(&app).await;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0]["body"], "better late");
    // Its age counts from the letter's arrival: otherwise it would be history.
    assert_eq!(stored[0]["historical"], false);
    assert_eq!(created_frames(&app).await, 1);
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 1);
    let details = json!({"roomId": ROOM, "eventId": "$late", "outcome": "stored"});
    let expected = json!({
        "actor": "admin", "action": "dead_letter.replay", "target": id, "origin": "127.0.0.1",
        "outcome": "ok", "details": details,
    });
    assert_eq!(audit(&app).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_taken_as_well() {
    let app = alice_and_bob().await;
    let mut renamed = member(ROOM, GHOST, "$renamed", "Grace Hopper");
    renamed["unsigned"]["replaces_state"] = json!("$ghost");
    let id = good_letter(&app, &renamed).await;
    replayed(&app, id, "stored").await;
    assert_eq!(only(&app, "user_alice").await["title"], "Grace Hopper");

    app.push_events("1", &[text(ROOM, GHOST, "$1", "regretted")])
        .await;
    let id = good_letter(&app, &redaction(ROOM, GHOST, "$r", "$1")).await;
    replayed(&app, id, "stored").await;
    assert_eq!(messages(&app).await[0]["body"], "");

    let mut useless = text(ROOM, GHOST, "$poll", "x");
    useless["type"] = json!("org.example.unknown");
    let id = good_letter(&app, &useless).await;
    replayed(&app, id, "ignored").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_came_by_another_way_is_stored_once() {
    let app = alice_and_bob().await;
    let event = message("$1", "hello");
    app.push_events("1", std::slice::from_ref(&event)).await;
    let frames = created_frames(&app).await;
    let id = good_letter(&app, &event).await;
    replayed(&app, id, "stored").await;
    assert_eq!(messages(&app).await.len(), 1);
    assert_eq!(created_frames(&app).await, frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_still_not_be_taken_stays() {
    let app = alice_and_bob().await;
    let mut unfoldable = message("$unfoldable", "private");
    unfoldable["content"] = json!({"msgtype": "m.text", "body": {"private": 1}});
    let mut undecodable = message("$undecodable", "private");
    undecodable["origin_server_ts"] = json!("private");
    let mut elsewhere = message("$elsewhere", "private");
    elsewhere["room_id"] = json!("!private");
    let mut other = message("$other", "private");
    other["event_id"] = json!("$private");
    for (event_id, raw, reason) in [
        (
            "$unfoldable",
            unfoldable.to_string(),
            "a message without a body that is a string",
        ),
        (
            "$undecodable",
            undecodable.to_string(),
            "a field is missing or of the wrong type",
        ),
        (
            "$elsewhere",
            elsewhere.to_string(),
            "it names another room or event than the letter",
        ),
        (
            "$other",
            other.to_string(),
            "it names another room or event than the letter",
        ),
        ("$none", "private".to_owned(), "not JSON"),
    ] {
        let id = letter(&app, ROOM, event_id, &raw).await;
        let answer = replay(&app, id).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "conflict"));
        assert_eq!(answer.json()["detail"], reason);
        let row = audit(&app).await.pop().unwrap();
        assert_eq!(
            (&row["outcome"], &row["target"]),
            (&json!("conflict"), &json!(id))
        );
    }
    assert_eq!(letters(&app).await, 5);
    assert!(messages(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redaction_takes_the_letter_along() {
    let app = alice_and_bob().await;
    let id = good_letter(&app, &message("$regretted", "regretted")).await;
    let event = redaction(ROOM, GHOST, "$r", "$regretted");
    app.push_events("1", &[event]).await;
    assert_eq!(letters(&app).await, 0);
    assert_eq!(replay(&app, id).await.status, 404);
    assert!(messages(&app).await.is_empty());
}

/// What nobody may see is not kept, not even as a letter that is no good.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_room_that_is_not_ingested_the_letter_goes_and_nothing_comes_of_it() {
    const DISABLE: &str = "UPDATE tributary.rooms SET enabled = false";
    const LEAVE: &str = "UPDATE tributary.room_grants SET until_at = now() - interval '1 hour'";
    const UNMAP: &str = "DELETE FROM tributary.room_grants";
    const FORGET: &str = "DELETE FROM tributary.rooms";
    for change in [DISABLE, LEAVE, UNMAP, FORGET] {
        let app = alice_and_bob().await;
        execute(&app, change).await;
        let good = good_letter(&app, &message("$1", "secret")).await;
        replayed(&app, good, "ignored").await;
        let bad = letter(&app, ROOM, "$2", "secret").await;
        replayed(&app, bad, "ignored").await;
        let sql = "SELECT id FROM tributary.messages";
        assert!(rows(&app, sql).await.is_empty(), "{change}");
        assert_eq!(created_frames(&app).await, 0, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redaction_takes_effect_in_a_room_that_everybody_left() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "regretted")])
        .await;
    let mut leave = member(ROOM, ALICE, "$leave", "Alice");
    leave["content"]["membership"] = json!("leave");
    leave["unsigned"]["replaces_state"] = json!("$alice");
    app.push_events("2", &[leave]).await;
    let id = good_letter(&app, &redaction(ROOM, GHOST, "$r", "$1")).await;
    replayed(&app, id, "stored").await;
    assert_eq!(messages(&app).await[0]["body"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_was_there_to_see_is_ignored() {
    let app = alice_and_bob().await;
    execute(
        &app,
        "UPDATE tributary.room_grants SET from_at = now() - interval '1 minute'",
    )
    .await;
    let id = good_letter(&app, &message("$before", "before their time")).await;
    replayed(&app, id, "ignored").await;
    assert!(messages(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replays_at_once_one_has_an_effect() {
    let app = alice_and_bob().await;
    for n in 0..5 {
        let id = good_letter(&app, &message(&format!("${n}"), "once")).await;
        let (one, other) = tokio::join!(replay(&app, id), replay(&app, id));
        let mut answers = [one.status, other.status];
        answers.sort_unstable();
        assert_eq!(answers, [200, 404]);
    }
    assert_eq!(messages(&app).await.len(), 5);
    assert_eq!(created_frames(&app).await, 5);
    assert_eq!(only(&app, "user_alice").await["unreadCount"], 5);
}

//! `GET /api/messages/{id}`.

use serde_json::json;

use crate::api::{
    app::TestApp,
    conversations::{GHOST, ROOM, alice_and_bob, only},
    world::{redaction, text},
};

async fn last_path(app: &TestApp) -> String {
    let conversation = only(app, "user_alice").await;
    let id = conversation["lastMessage"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    format!("/api/messages/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_its_content() {
    let app = alice_and_bob().await;
    let mut event = text(ROOM, GHOST, "$1", "hello");
    event["content"]["com.example"] = json!({"deep": [1, {"x": null}]});
    app.push_events("1", &[event.clone()]).await;
    let path = last_path(&app).await;
    let answer = app.get("user_alice", &path).await;
    assert_eq!(answer.status, 200);
    let message = answer.json();
    assert_eq!(message["body"], "hello");
    assert_eq!(message["content"], event["content"]);
    assert!(message.get("versions").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_one_has_none() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "secret")])
        .await;
    app.push_events("2", &[redaction(ROOM, GHOST, "$2", "$1")])
        .await;
    let path = last_path(&app).await;
    let answer = app.get("user_alice", &path).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json().get("content").is_none() && !answer.text.contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_is_like_one_that_does_not_exist() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "hello")])
        .await;
    let path = last_path(&app).await;
    let missing = app
        .get(
            "user_bob",
            "/api/messages/01890a5d-ac96-774b-bcce-b302099a8057",
        )
        .await;
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (404, "not_found")
    );
    for path in [path.as_str(), "/api/messages/x"] {
        let answer = app.get("user_bob", path).await;
        assert_eq!(
            (answer.status, &answer.text),
            (404, &missing.text),
            "{path}"
        );
    }
}

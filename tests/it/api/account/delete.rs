//! `DELETE /api/account`.

use reqwest::Method;
use serde_json::json;

use crate::{
    api::{
        app::{Answer, TestApp},
        world::{link, portal, text},
    },
    support::world::count,
};

const PATH: &str = "/api/account";
const ALICE: &str = "@alice:lab.local";
const BOB: &str = "@bob:lab.local";
const FRIEND: &str = "@facebook_1:lab.local";

async fn delete(app: &TestApp, user: &str) -> Answer {
    Answer::of(app.viewer(user, Method::DELETE, PATH)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_the_caller_is_gone_when_it_answers() {
    let app = TestApp::start().await;
    link(&app, "user_a", ALICE, None).await;
    link(&app, "user_b", BOB, None).await;
    portal(&app, "!ours", &[ALICE, BOB, FRIEND]).await;
    portal(&app, "!mine", &[ALICE, FRIEND]).await;
    let ours = text("!ours", FRIEND, "$ours", "ours");
    let mine = text("!mine", FRIEND, "$mine", "mine");
    app.push_events("1", &[ours, mine]).await;
    let list = "/api/conversations";
    let of_bob = app.get("user_b", list).await.json()["items"].clone();
    for _ in 0..2 {
        let answer = delete(&app, "user_a").await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_eq!(app.get("user_a", list).await.json()["items"], json!([]));
    }
    let status = app.get("user_a", "/api/messenger/status").await.json();
    assert_eq!(status["connections"], json!([]));
    assert_eq!(app.get("user_b", list).await.json()["items"], of_bob);
    let messages = "SELECT count(*) FROM tributary.messages";
    assert_eq!(count(&app.app.db, messages).await, 1);

    let audit = app
        .admin(Method::GET, "/api/admin/audit?actor=user_a")
        .await
        .json();
    let row = &audit["items"][1];
    assert_eq!(
        (&row["action"], &row["outcome"]),
        (&json!("account.erase"), &json!("ok"))
    );
    assert_eq!(
        (&row["target"], &row["origin"]),
        (&json!("user_a"), &json!("127.0.0.1"))
    );
    assert_eq!(row["details"]["conversations"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_nothing_is_said_to_be_gone() {
    let app = TestApp::without_database().await;
    let answer = delete(&app, "user_a").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable")
    );
}

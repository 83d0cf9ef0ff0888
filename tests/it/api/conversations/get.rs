//! `GET /api/conversations/{id}`.

use serde_json::json;

use super::{ALICE, alice_and_bob, only_path};

#[tokio::test(flavor = "multi_thread")]
async fn it_has_its_participants_and_no_services() {
    let app = alice_and_bob().await;
    let path = only_path(&app, "user_alice").await;
    let answer = app.get("user_alice", &path).await;
    assert_eq!(answer.status, 200);
    let conversation = answer.json();
    let mut people: Vec<_> = conversation["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            json!([
                p["matrixUserId"],
                p["displayName"],
                p["isSelf"],
                p["membership"]
            ])
        })
        .collect();
    people.sort_by_key(ToString::to_string);
    let expected = [
        json!([ALICE, "Alice", true, "join"]),
        json!(["@facebook_1:lab.local", "Grace", false, "join"]),
    ];
    assert_eq!(people, expected);
    assert_eq!(conversation["lastMessage"], json!(null));
    assert_eq!(conversation["lastEventAt"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_is_like_one_that_does_not_exist() {
    let app = alice_and_bob().await;
    let path = only_path(&app, "user_alice").await;
    let missing = "/api/conversations/01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let malformed = ["x", "%00", "%ff", "01890a5dac96774bbcceb302099a8057", "0"]
        .map(|id| format!("/api/conversations/{id}"));
    let expected = app.get("user_bob", &missing).await;
    assert_eq!(
        (expected.status, expected.code().as_str()),
        (404, "not_found")
    );
    for path in [&path, &missing].into_iter().chain(&malformed) {
        let answer = app.get("user_bob", path).await;
        assert_eq!(
            (answer.status, &answer.text),
            (404, &expected.text),
            "{path}"
        );
        let messages = app.get("user_bob", &format!("{path}/messages")).await;
        assert_eq!(
            (messages.status, &messages.text),
            (404, &expected.text),
            "{path}"
        );
    }
}

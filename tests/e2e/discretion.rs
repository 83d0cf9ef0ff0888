//! Goes wherever secrets are: what is said, what is mistyped, what cannot be read. That no
//! log tells any of it is looked at when all tests have run.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio_tungstenite::connect_async;

use crate::{
    people::{Customer, conversations, customer},
    stack::Stack,
};

/// Something that can be found again.
fn secret(stack: &Stack, kind: &str) -> String {
    let value = format!("velociraptor-{}", tributary::model::new_id().simple());
    stack.keep_secret(kind, &value);
    value
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_everywhere_but_into_the_logs() {
    let stack = Stack::start().await;
    let alice = customer(&stack, "alice", "1", false).await;
    let room = say_all(&stack, &alice).await;
    mistype_all(&stack).await;
    push_what_cannot_be_read(&stack, &room).await;
}

/// A message with everything that one can have; the id of its room.
async fn say_all(stack: &Stack, alice: &Customer) -> String {
    let friend = format!("3{}", alice.remote_id);
    let remote = &alice.remote_id;
    let chat = json!({"remoteId": remote, "chatId": friend, "type": "dm",
                      "members": [{"id": friend, "name": "Friend"}]});
    stack.remote("/chat", chat).await;
    let [text, html, edited] = [(); 3].map(|()| secret(stack, "message"));
    let message = json!({"remoteId": remote, "chatId": friend, "senderId": friend,
                         "text": text, "html": format!("<b>{html}</b>")});
    let message = stack.remote("/message", message).await;
    let edit = json!({"remoteId": remote, "chatId": friend, "senderId": friend,
                      "messageId": message["messageId"], "text": edited});
    stack.remote("/edit", edit).await;
    let shown = stack
        .eventually("the edit is shown", async || {
            let items = conversations(stack, alice).await;
            items
                .into_iter()
                .find(|conversation| conversation["lastMessage"]["body"] == edited.as_str())
        })
        .await;
    shown["matrixRoomId"].as_str().unwrap().to_owned()
}

/// What is nearly a secret is treated as one.
async fn mistype_all(stack: &Stack) {
    let wrong = || secret(stack, "wrong credential");
    let http = &stack.http;
    let ask = |method, path: &str| http.request(method, stack.url(path));
    for (method, path, expected) in [
        (Method::GET, "/api/conversations", 401),
        (Method::GET, "/api/admin/audit", 401),
        (Method::POST, "/api/manager/bridge-login-complete", 401),
        (Method::POST, "/api/bridge/meta/status", 401),
        (Method::PUT, "/_matrix/app/v1/transactions/1", 403),
    ] {
        let request = ask(method, path).bearer_auth(wrong()).json(&json!({}));
        assert_eq!(status(request).await, expected, "{path}");
    }
    let in_query = format!("/_matrix/app/v1/users/@a:b?access_token={}", wrong());
    assert!(status(ask(Method::GET, &in_query)).await >= 400);
    let socket = stack.url(&format!("/ws?token={}", wrong()));
    assert!(
        connect_async(socket.replace("http://", "ws://"))
            .await
            .is_err()
    );
    let code = json!({"code": wrong()});
    let link = ask(Method::POST, "/api/messenger/link").json(&code);
    let link = link.bearer_auth(stack.session_token("user_who_mistypes"));
    assert!(status(link).await >= 400);
    let proof = json!({"access_token": wrong(), "matrix_server_name": "lab.local",
                       "token_type": "Bearer", "expires_in": 3600});
    let report = json!({"matrixUserId": "@nobody:lab.local", "openIdToken": proof});
    let report = ask(Method::POST, "/api/manager/bridge-login-complete").json(&report);
    let report = report.bearer_auth(stack.fact("/manager_api_key"));
    assert!(status(report).await >= 400);
}

/// An event that becomes a dead letter, and bodies that are none.
async fn push_what_cannot_be_read(stack: &Stack, room_id: &str) {
    let registration = std::fs::read_to_string(stack.fact("/tributary/registration")).unwrap();
    let hs_token = registration
        .lines()
        .find_map(|line| line.trim().strip_prefix("hs_token:"))
        .unwrap();
    let push = |id: &str, body: String| {
        let url = stack.url(&format!("/_matrix/app/v1/transactions/discretion-{id}"));
        let token = hs_token.trim().trim_matches(['"', '\'']);
        status(stack.http.put(url).bearer_auth(token).body(body))
    };
    let said = || secret(stack, "message");
    let event = json!({
        "type": "m.room.message", "room_id": room_id, "event_id": "$discretion", "sender": 5,
        "origin_server_ts": "then", "content": {"msgtype": "m.text", "body": said()},
    });
    assert_eq!(
        push("bad-event", json!({"events": [event]}).to_string()).await,
        200
    );
    assert_eq!(
        push("bad-body", format!("{{\"events\": {}", said())).await,
        400
    );
    let elsewhere = json!({
        "type": "m.room.message", "room_id": "!management:lab.local", "event_id": "$cookies",
        "sender": "@alice:lab.local", "origin_server_ts": 1,
        "content": {"msgtype": "m.text", "body": said()},
    });
    assert_eq!(
        push("unmapped", json!({"events": [elsewhere]}).to_string()).await,
        200
    );
}

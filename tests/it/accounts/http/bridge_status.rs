use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{accepted, no, refused};
use crate::accounts::{
    server::Server,
    world::{ALICE, BOB, USER_A, USER_B, World, askable},
};

const PATH: &str = "/api/bridge/meta/status";

fn push(server: &Server, body: &str) -> RequestBuilder {
    let request = server
        .request(Method::POST, PATH)
        .bearer_auth("the-bridges-as-token");
    request.body(body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_authentic_bridge_sends_is_accepted() {
    let server = Server::start(World::new().await).await;
    let linked = server.world.linked(USER_A, ALICE).await;
    for body in [
        "{}",
        "[]",
        "null",
        r#"{"state_event":"UNCONFIGURED","timestamp":1800000000,"ttl":21600,"source":"bridge"}"#,
        r#"{"state_event":"CONNECTED","user_id":"@nobody:lab.local","timestamp":1800000000}"#,
        r#"{"state_event":"CONNECTED","user_id":"@a\u0000b:lab.local","remote_id":"\u0000"}"#,
        r#"{"state_event":{},"user_id":[],"timestamp":"x","remote_id":1e300}"#,
        r#"{"state_event":"NEW","user_id":"@alice:lab.local","timestamp":99999999999999999999999}"#,
        "",
        "x",
        r#"{"timestamp":1e999}"#,
        &"[".repeat(1000),
        &" ".repeat(3 << 20),
    ] {
        assert_eq!(
            accepted(push(&server, body), 200).await,
            json!({}),
            "{}",
            body.get(..200).unwrap_or(body)
        );
    }
    let bad = json!({"state_event": "BAD_CREDENTIALS", "user_id": ALICE, "error": "fb-cookie"});
    accepted(push(&server, &bad.to_string()), 200).await;
    let status = server.request_as(USER_A, Method::GET, "/api/messenger/status");
    let status = accepted(status, 200).await;
    assert_eq!(status["connectionId"], json!(linked.id));
    assert_eq!(
        (&status["status"], &status["error"]),
        (&json!("ERROR"), &json!("fb-cookie"))
    );
}

/// What a bridge says of itself at its start, in place of those of its logins that are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_speaks_of_itself_is_asked_about_everybody() {
    let world = World::with(askable("http://127.0.0.1:9")).await;
    let server = Server::start(world).await;
    let linked = [
        server.world.linked(USER_A, ALICE).await.id.to_string(),
        server.world.linked(USER_B, BOB).await.id.to_string(),
    ];
    server.world.code("@provisional:lab.local").await;
    server.world.execute("DELETE FROM tributary.jobs").await;
    let body =
        r#"{"state_event":"UNCONFIGURED","timestamp":1800000000,"ttl":21600,"source":"bridge"}"#;
    accepted(push(&server, body), 200).await;
    let asked = "SELECT key AS t FROM tributary.jobs WHERE kind = 'ask_bridge' ORDER BY key";
    assert_eq!(server.world.texts(asked).await, linked);
    assert_eq!(server.world.count("bridges WHERE id = 'meta'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_learn_which_bridges_there_are() {
    let server = Server::start(World::new().await).await;
    let mut texts = Vec::new();
    for (path, token) in [
        (PATH, "wrong"),
        ("/api/bridge/other/status", "wrong"),
        ("/api/bridge/other/status", "the-bridges-as-token"),
        (PATH, "the-manager-key"),
    ] {
        let request = || {
            server
                .request(Method::POST, path)
                .bearer_auth(token)
                .body("{}")
        };
        assert_eq!(refused(request()).await, no(401, "unauthorized"));
        texts.push(request().send().await.unwrap().text().await.unwrap());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let none = server.request(Method::POST, PATH).body("{}");
    assert_eq!(refused(none).await, no(401, "unauthorized"));
}

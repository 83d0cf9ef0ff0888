use serde_json::json;

use super::{ALICE, client::Server, support::eventually, world::World};

const PROTOCOL: &str = "sec-websocket-protocol";

#[tokio::test(flavor = "multi_thread")]
async fn the_token_may_come_in_three_ways() {
    let world = World::new().await;
    let server = Server::start(&world);
    let token = world.token(ALICE);
    let (protocols, bearer) = (
        format!("tributary.v1, bearer.{token}"),
        format!("Bearer {token}"),
    );
    for request in [
        server.request_with("", PROTOCOL, &protocols),
        server.request_with("", "authorization", &bearer),
        server.request(&format!("?token={token}")),
    ] {
        let offers = request.headers().contains_key(PROTOCOL);
        let (mut client, response) = server.handshake(request).await.unwrap();
        let chosen = response.headers().get(PROTOCOL);
        assert_eq!(chosen.is_some(), offers);
        assert!(chosen.is_none_or(|chosen| chosen == "tributary.v1"));
        let hello = client.expect("hello").await;
        assert_eq!(hello["data"]["sessionId"], "sess_user_alice");
        assert_eq!(hello["data"]["heartbeatSeconds"], 25);
        assert_eq!(hello["data"]["resumed"], false);
        assert!(hello["cursor"].is_string(), "{hello}");
        client.expect("live").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_admit_is_refused_before_the_upgrade() {
    let world = World::new().await;
    let server = Server::start(&world);
    let now = world.now().timestamp();
    let expired = json!({"iat": now - 120, "nbf": now - 120, "exp": now - 60});
    let expired = world.token_with(ALICE, expired);
    let pending = world.token_with(ALICE, json!({"sts": "pending"}));
    let good = world.token(ALICE);
    for (request, status, code) in [
        (server.request(""), 401, "unauthorized"),
        (server.request("?token=nonsense"), 401, "unauthorized"),
        (
            server.request(&format!("?token={expired}")),
            401,
            "unauthorized",
        ),
        (
            server.request(&format!("?token={pending}")),
            403,
            "forbidden",
        ),
        // The first place that has one counts.
        (
            server.request_with(&format!("?token={good}"), "authorization", "Bearer x"),
            401,
            "unauthorized",
        ),
    ] {
        let refused = server.handshake(request).await.err().unwrap();
        assert_eq!(refused.status, status);
        assert_eq!(refused.body["code"], code);
        assert_eq!(refused.body["status"], status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_must_be_allowed() {
    let allowed = json!({"server": {"allowed_origins":
            ["https://web.example", "null", "app://x", "file://"]}});
    let world = World::with(allowed).await;
    let server = Server::start(&world);
    let query = format!("?token={}", world.token(ALICE));
    let own = format!("http://{}", server.address);
    for origin in [
        "https://web.example",
        "null",
        "app://x",
        "file://",
        own.as_str(),
    ] {
        let request = server.request_with(&query, "origin", origin);
        assert!(server.handshake(request).await.is_ok(), "{origin}");
    }
    for origin in [
        "https://evil.example",
        "http://127.0.0.1",
        "app://y",
        "file:",
        "http://web.example",
        "https://web.example:444",
        "https://web.example/",
        "*",
    ] {
        let request = server.request_with(&query, "origin", origin);
        let refused = server.handshake(request).await.err().unwrap();
        assert_eq!(refused.status, 403, "{origin}");
        assert_eq!(refused.body["code"], "forbidden");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_handshake_is_told_so() {
    let world = World::new().await;
    let server = Server::start(&world);
    let url = format!("http://{}/ws", server.address);
    let http = reqwest::Client::new();
    let ask = |request: reqwest::RequestBuilder| async {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let allow = answer.headers().get("allow").cloned();
        (answer.status().as_u16(), allow)
    };
    assert_eq!(ask(http.get(&url)).await.0, 401);
    let get = http.get(&url).bearer_auth(world.token(ALICE));
    assert_eq!(ask(get).await.0, 426);
    let (status, allow) = ask(http.post(&url)).await;
    assert_eq!(
        (status, allow.unwrap().to_str().unwrap()),
        (405, "GET,HEAD")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_there_is_no_socket_but_a_retry() {
    let world = World::new().await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    world.database.cut().await;
    let query = format!("?token={}", world.token(ALICE));
    let refused = server
        .handshake(server.request(&query))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (503, &json!("unavailable"))
    );
    // Whoever has a socket keeps it.
    assert!(client.is_quiet().await);
    world.database.mend().await;
    eventually("a socket after the outage", async || {
        server.handshake(server.request(&query)).await.ok()
    })
    .await;
}

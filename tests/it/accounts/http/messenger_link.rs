use chrono::TimeDelta;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{accepted, no, refused};
use crate::accounts::{
    server::Server,
    world::{ALICE, BOB, USER_A, USER_B, World},
};

const PATH: &str = "/api/messenger/link";

fn link(server: &Server, user_id: &str, body: &Value) -> RequestBuilder {
    server.request_as(user_id, Method::POST, PATH).json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_once() {
    let server = Server::start(World::new().await).await;
    let code = json!({"code": server.world.code(ALICE).await});
    let linked = accepted(link(&server, USER_A, &code), 200).await;
    assert_eq!(linked["status"], "CONNECTED");
    assert_eq!(linked["matrixUserId"], ALICE);
    assert_eq!(linked["backfill"]["state"], "idle");
    let status = server.request_as(USER_A, Method::GET, "/api/messenger/status");
    assert_eq!(accepted(status, 200).await["connections"], json!([linked]));
    assert_eq!(
        refused(link(&server, USER_B, &code)).await,
        no(409, "conflict")
    );
}

/// So that nobody links a stranger's account by mistake.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_names_the_account() {
    let server = Server::start(World::new().await).await;
    let report = World::report_of(
        ALICE,
        json!({"bridgeUserId": "77", "remoteName": "Alice B."}),
    );
    let reported = server.world.accounts.report(&report, None).await.unwrap();
    let code = json!({"code": reported.link_code});
    let linked = accepted(link(&server, USER_A, &code), 200).await;
    assert_eq!(linked["remoteName"], "Alice B.");
    assert_eq!(linked["bridgeUserId"], "77");
}

/// What the caller sees of a refusal: all but what is different each time.
async fn seen(request: RequestBuilder) -> (u16, Vec<(String, String)>, String) {
    let response = request.send().await.unwrap();
    let headers = response.headers().iter();
    let headers = headers
        .filter(|(name, _)| *name != "x-request-id" && *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    (
        response.status().as_u16(),
        headers,
        response.text().await.unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_expired_and_replaced_codes_and_those_of_who_left_look_alike() {
    let server = Server::start(World::new().await).await;
    let world = &server.world;
    let code = async |who: &str| json!({"code": world.code(who).await});
    let expired = code(ALICE).await;
    world.pass(TimeDelta::minutes(11));
    let replaced = code(BOB).await;
    code(BOB).await;
    let used = code(ALICE).await;
    let linked = accepted(link(&server, USER_B, &used), 200).await;
    let id = linked["id"].as_str().unwrap().parse().unwrap();
    let gone = world.accounts.disconnect(USER_B, id, false, None).await;
    gone.unwrap();

    let wrong = seen(link(&server, USER_A, &json!({"code": "ZZZZZZZZ"}))).await;
    assert_eq!(wrong.0, 404);
    for code in [&expired, &replaced, &used] {
        assert_eq!(seen(link(&server, USER_A, code)).await, wrong, "{code}");
    }
    let refused = link(&server, USER_A, &expired);
    assert_eq!(self::refused(refused).await, no(404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_late_is_not_told_who_was_faster() {
    let server = Server::start(World::new().await).await;
    let code = json!({"code": server.world.code(ALICE).await});
    accepted(link(&server, USER_A, &code), 200).await;
    let (status, _, text) = seen(link(&server, USER_B, &code)).await;
    assert_eq!(status, 409);
    for name in [USER_A, ALICE, "alice"] {
        assert!(!text.contains(name), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_wrong_codes_say_when_to_come_back() {
    let server = Server::start(World::new().await).await;
    for _ in 0..5 {
        let wrong = link(&server, USER_A, &json!({"code": "ZZZZZZZZ"}));
        assert_eq!(refused(wrong).await, no(404, "not_found"));
    }
    let right = json!({"code": server.world.code(ALICE).await});
    let response = link(&server, USER_A, &right).send().await.unwrap();
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    assert_eq!(response.status(), 429);
    accepted(link(&server, USER_B, &right), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_session_links() {
    let server = Server::start(World::new().await).await;
    let body = json!({"code": server.world.code(BOB).await});
    let request = || server.request(Method::POST, PATH).json(&body);
    for request in [
        request(),
        request().bearer_auth("the-manager-key"),
        request().bearer_auth(server.token(USER_A, TimeDelta::minutes(2))),
    ] {
        assert_eq!(refused(request).await, no(401, "unauthorized"));
    }
    for body in [json!({}), json!({"code": 5}), json!({"code": null})] {
        assert_eq!(
            refused(link(&server, USER_A, &body)).await,
            no(400, "invalid_request")
        );
    }
    assert_eq!(server.world.count("link_attempts").await, 0);
}

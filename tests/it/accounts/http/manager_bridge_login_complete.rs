use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::query_param};

use super::{accepted, no, refused};
use crate::accounts::{
    server::Server,
    world::{ALICE, BOB, World, config},
};

const PATH: &str = "/api/manager/bridge-login-complete";

fn report(server: &Server, body: &Value) -> RequestBuilder {
    let request = server
        .request(Method::POST, PATH)
        .bearer_auth("the-manager-key");
    request.json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_answered_with_a_code() {
    let server = Server::start(World::new().await).await;
    let body = json!({
        "matrixUserId": ALICE, "bridgeId": "meta", "bridgeUserId": "@facebook_77:lab.local",
        "remoteName": "Alice", "status": "Connected", "openIdToken": null, "somethingNew": 1,
    });
    let answer = accepted(report(&server, &body), 200).await;
    let mut fields: Vec<_> = answer.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        ["connectionId", "linkCode", "linkCodeExpiresAt", "status"]
    );
    assert_eq!(answer["status"], "CONNECTED");
    let code = answer["linkCode"].as_str().unwrap();
    assert!(
        code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{code}"
    );
    let expires_at = answer["linkCodeExpiresAt"].as_str().unwrap();
    assert!(
        expires_at.len() == 24 && expires_at.ends_with('Z'),
        "{expires_at}"
    );
    let origins = server
        .world
        .texts("SELECT origin AS t FROM tributary.audit")
        .await;
    assert_eq!(origins, ["127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_required() {
    let server = Server::start(World::new().await).await;
    let body = json!({"matrixUserId": ALICE});
    let request = || server.request(Method::POST, PATH).json(&body);
    let user = server.token("user_a", chrono::TimeDelta::zero());
    for request in [
        request(),
        request().bearer_auth("wrong"),
        request().bearer_auth("the-bridges-as-token"),
        request().bearer_auth(user),
        request().header("authorization", "Basic dGhlLW1hbmFnZXIta2V5"),
        server
            .request(Method::POST, PATH)
            .bearer_auth("wrong")
            .body("not JSON"),
    ] {
        assert_eq!(refused(request).await, no(401, "unauthorized"));
    }
    assert_eq!(server.world.count("messenger_connections").await, 0);
    let calls = "audit WHERE actor = 'unknown' AND action = 'connection.report'
                 AND origin = '127.0.0.1' AND outcome = 'unauthorized'";
    assert_eq!(server.world.count(calls).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_leaves_one_audit_row() {
    let server = Server::start(World::new().await).await;
    let none = server
        .request(Method::POST, PATH)
        .bearer_auth("the-manager-key");
    assert_eq!(
        refused(none.body("not JSON")).await,
        no(415, "unsupported_media_type")
    );
    assert_eq!(
        refused(report(&server, &json!([]))).await,
        no(400, "invalid_request")
    );
    let ghost = json!({"matrixUserId": "@facebook_1:lab.local"});
    assert_eq!(refused(report(&server, &ghost)).await, no(403, "forbidden"));
    accepted(report(&server, &json!({"matrixUserId": ALICE})), 200).await;
    let outcomes = "SELECT actor || ' ' || action || ' ' || outcome AS t
                    FROM tributary.audit ORDER BY at, id";
    let expected = [
        "unsupported_media_type",
        "invalid_request",
        "forbidden",
        "ok",
    ]
    .map(|outcome| format!("manager connection.report {outcome}"));
    assert_eq!(server.world.texts(outcomes).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_refused() {
    let server = Server::start(World::new().await).await;
    for (body, expected) in [
        (json!({}), no(400, "invalid_request")),
        (json!([]), no(400, "invalid_request")),
        (json!({"matrixUserId": 5}), no(400, "invalid_request")),
        (json!({"matrixUserId": "\u{0}"}), no(400, "invalid_request")),
        (
            json!({"matrixUserId": ALICE, "status": {}}),
            no(400, "invalid_request"),
        ),
        (
            json!({"matrixUserId": ALICE, "status": "?"}),
            no(400, "invalid_request"),
        ),
        (
            json!({"matrixUserId": ALICE, "bridgeId": "\u{0}"}),
            no(400, "invalid_request"),
        ),
        (
            json!({"matrixUserId": ALICE, "bridgeUserId": "\u{0}1"}),
            no(400, "invalid_request"),
        ),
        (
            json!({"matrixUserId": ALICE, "openIdToken": {}}),
            no(400, "invalid_request"),
        ),
        (
            json!({"matrixUserId": "@facebook_1:lab.local"}),
            no(403, "forbidden"),
        ),
        (
            json!({"matrixUserId": "@alice:other.local"}),
            no(403, "forbidden"),
        ),
    ] {
        assert_eq!(refused(report(&server, &body)).await, expected, "{body}");
    }
    let nul = json!({"matrixUserId": ALICE, "remoteName": "a\u{0}b"});
    accepted(report(&server, &nul), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_proof_is_refused() {
    let homeserver = MockServer::start().await;
    for (token, sub) in [
        ("bobs", BOB),
        ("other", "@alice:other.local"),
        ("alices", ALICE),
    ] {
        Mock::given(query_param("access_token", token))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"sub": sub})))
            .mount(&homeserver)
            .await;
    }
    Mock::given(query_param("access_token", "away"))
        .respond_with(ResponseTemplate::new(500))
        .mount(&homeserver)
        .await;
    let config = config(json!({
        "homeserver": {"url": homeserver.uri(), "server_name": "lab.local"},
        "manager": {"api_key": ["another-key", "the-manager-key"]},
    }));
    let server = Server::start(World::with(config).await).await;
    let with = |token: Value| json!({"matrixUserId": ALICE, "openIdToken": token});
    let of =
        |token: &str, name: &str| with(json!({"access_token": token, "matrix_server_name": name}));
    for body in [
        json!({"matrixUserId": ALICE}),
        with(Value::Null),
        of("bobs", "lab.local"),
        of("other", "lab.local"),
        of("alices", "other.local"),
    ] {
        assert_eq!(
            refused(report(&server, &body)).await,
            no(403, "forbidden"),
            "{body}"
        );
    }
    let away = refused(report(&server, &of("away", "lab.local"))).await;
    assert_eq!(away, no(503, "unavailable"));
    accepted(report(&server, &of("alices", "lab.local")), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_origin_may_ask() {
    let server = Server::start(World::new().await).await;
    for origin in ["null", "file://", "https://anything.example"] {
        let preflight = server
            .request(Method::OPTIONS, PATH)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            );
        let asked = preflight.send().await.unwrap();
        assert!(asked.status().is_success(), "{}", asked.status());
        let answered = report(&server, &json!({"matrixUserId": ALICE})).header("origin", origin);
        let refused = server.request(Method::POST, PATH).header("origin", origin);
        for response in [
            asked,
            answered.send().await.unwrap(),
            refused.send().await.unwrap(),
        ] {
            let allowed = response.headers()["access-control-allow-origin"]
                .to_str()
                .unwrap();
            assert!(allowed == "*" || allowed == origin, "{allowed}");
        }
    }
}

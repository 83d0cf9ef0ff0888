//! Queries, ping, and paths that are none.

use reqwest::Method;
use serde_json::json;

use crate::api::app::{Answer, HS_TOKEN, TestApp};

async fn ask(app: &TestApp, method: Method, path: &str, body: &'static str) -> Answer {
    let request = app.request(method, path).bearer_auth(HS_TOKEN);
    Answer::of(request.body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sender_bot_exists() {
    let app = TestApp::start().await;
    for prefix in ["/_matrix/app/v1", ""] {
        for bot in ["@tributary:lab.local", "%40tributary%3Alab.local"] {
            let answer = ask(&app, Method::GET, &format!("{prefix}/users/{bot}"), "").await;
            assert_eq!((answer.status, answer.json()), (200, json!({})));
        }
        for path in [
            "/users/@facebookbot:lab.local",
            "/users/@tributary:other.local",
            "/users/tributary",
            "/users/%00",
            "/users/%ff",
            "/rooms/%23tributary:lab.local",
            "/rooms/nothing",
        ] {
            let answer = ask(&app, Method::GET, &format!("{prefix}{path}"), "").await;
            assert_eq!(
                (answer.status, answer.errcode().as_str()),
                (404, "M_NOT_FOUND"),
                "{path}"
            );
        }
    }
    for path in ["protocol/x", "user/x", "location/x", "user", "location"] {
        let path = format!("/_matrix/app/v1/thirdparty/{path}");
        let answer = ask(&app, Method::GET, &path, "").await;
        assert_eq!(
            (answer.status, answer.errcode().as_str()),
            (404, "M_NOT_FOUND"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_and_remembered() {
    let app = TestApp::start().await;
    app.app.health.homeserver_missed();
    let path = "/_matrix/app/v1/ping";
    for (body, status) in [
        (r#"{"transaction_id":"meow"}"#, 200),
        ("{}", 200),
        ("", 200),
        (r#"{"transaction_id":5}"#, 400),
        ("meow", 400),
    ] {
        let answer = ask(&app, Method::POST, path, body).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
        if status == 200 {
            assert_eq!(answer.json(), json!({}));
        }
    }
    assert!(app.app.health.homeserver().up);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_path_is_unrecognized_without_a_token() {
    let app = TestApp::start().await;
    for (method, path, status) in [
        (Method::GET, "/_matrix/app/v1/nothing", 404),
        (Method::GET, "/_matrix/app/v2/transactions/1", 404),
        (Method::GET, "/_matrix/client/versions", 404),
        (Method::PUT, "/_matrix/app/v1/transactions", 404),
        (Method::POST, "/_matrix/app/v1/transactions/1", 405),
        (Method::GET, "/transactions/1", 405),
        (Method::PUT, "/_matrix/app/v1/users/@a:b", 405),
        (Method::GET, "/_matrix/app/v1/ping", 405),
        (Method::OPTIONS, "/_matrix/app/v1/ping", 405),
    ] {
        let answer = Answer::of(app.request(method.clone(), path)).await;
        assert_eq!(
            (answer.status, answer.errcode().as_str()),
            (status, "M_UNRECOGNIZED"),
            "{method} {path}"
        );
    }
}

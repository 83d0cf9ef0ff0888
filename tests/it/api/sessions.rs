//! Who may read at all.

use reqwest::Method;
use tributary::clock::Clock;

use crate::api::app::{Answer, TestApp, foreign_session, session, session_at};

const PATH: &str = "/api/conversations";

#[tokio::test(flavor = "multi_thread")]
async fn only_a_session_of_this_instance_is_let_in() {
    let app = TestApp::start().await;
    let tokens = [
        foreign_session("user_a"),
        session_at("user_a", -120),
        session_at("user_a", 120),
        "the-operators-key".to_owned(),
        "x".repeat(9000),
    ];
    for token in &tokens {
        let answer = Answer::of(app.request(Method::GET, PATH).bearer_auth(token)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "unauthorized"),
            "{token}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.text.contains(token.as_str()));
    }
    let none = Answer::of(app.request(Method::GET, PATH)).await;
    assert_eq!((none.status, none.code().as_str()), (401, "unauthorized"));
    let in_query = format!("{PATH}?token={}", session("user_a"));
    let in_query = Answer::of(app.request(Method::GET, &in_query)).await;
    assert_eq!(in_query.status, 401);
    assert_eq!(app.get("user_a", PATH).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_fetched_are_no_reason_to_log_somebody_out() {
    let app = TestApp::with(|config| {
        config.clerk.issuer = Some("http://127.0.0.1:9".to_owned());
    })
    .await;
    let token = clerk_token("http://127.0.0.1:9");
    let answer = Answer::of(app.request(Method::GET, PATH).bearer_auth(token)).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable")
    );
    assert!(answer.header("retry-after").is_some());
    let health = Answer::of(app.request(Method::GET, "/healthz")).await;
    assert_eq!(
        (health.status, &health.json()["clerk"]),
        (200, &"down".into())
    );
}

/// A token whose signature is not even looked at.
fn clerk_token(issuer: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;
    let now = Clock::system().now().timestamp();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "ins_1"});
    let claims = json!({
        "iss": issuer, "sub": "user_a", "sid": "sess_a", "iat": now, "nbf": now, "exp": now + 60,
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 256]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_said_to_be_so() {
    let app = TestApp::without_database().await;
    let answer = app.get("user_a", PATH).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable")
    );
    assert!(answer.header("retry-after").is_some());
}

/// A connection that was good a moment ago fails within a statement, not before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_no_fault_of_the_request() {
    let app = TestApp::start().await;
    assert_eq!(app.get("user_a", PATH).await.status, 200);
    app.database.cut().await;
    for _ in 0..3 {
        let answer = app.get("user_a", PATH).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "unavailable")
        );
    }
    app.database.mend().await;
    assert_eq!(app.get("user_a", PATH).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_path_is_a_problem() {
    let app = TestApp::start().await;
    for (method, path, status, code) in [
        (Method::GET, "/api/nothing", 404, "not_found"),
        (Method::GET, "/api", 404, "not_found"),
        (Method::GET, "/nothing", 404, "not_found"),
        (Method::PUT, "/api/conversations", 405, "method_not_allowed"),
        (Method::POST, "/healthz", 405, "method_not_allowed"),
        (Method::POST, "/openapi.json", 405, "method_not_allowed"),
    ] {
        let answer = Answer::of(app.request(method, path)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{path}"
        );
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(answer.header("allow").is_some(), status == 405, "{path}");
    }
}

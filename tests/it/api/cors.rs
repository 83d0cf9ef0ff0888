//! Which web pages may read the answers.

use reqwest::Method;

use crate::api::app::{Answer, ORIGIN, TestApp};

async fn preflight(app: &TestApp, path: &str, origin: &str) -> Answer {
    let request = app
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    Answer::of(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_page_may_send_its_token() {
    let app = TestApp::start().await;
    let answer = preflight(&app, "/api/conversations", ORIGIN).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization"), "{headers}");
    assert!(
        answer
            .header("access-control-allow-methods")
            .unwrap()
            .contains("DELETE")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_can_be_read_too() {
    let app = TestApp::start().await;
    for path in ["/api/conversations", "/api/nothing"] {
        let request = app.request(Method::GET, path).header("origin", ORIGIN);
        let answer = Answer::of(request).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(ORIGIN),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_are_told_nothing() {
    let app = TestApp::start().await;
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
    ] {
        for path in ["/api/conversations", "/api/nothing"] {
            let answer = preflight(&app, path, origin).await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_companion_may_come_from_anywhere() {
    let app = TestApp::start().await;
    for origin in ["null", "file://", "https://anything.example"] {
        let answer = preflight(&app, "/api/manager/bridge-login-complete", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}

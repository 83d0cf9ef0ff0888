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

const LISTED: [&str; 6] = [
    "https://web.example",
    "https://web.example:8443",
    "http://localhost:3000",
    "null",
    "app://desk",
    "file://",
];

/// What looks like one of them.
const OTHERS: [&str; 18] = [
    "http://web.example",
    "https://web.example:443",
    "https://web.example:8444",
    "https://web.example/",
    "https://web.example.evil.example",
    "https://evil.example/https://web.example",
    "https://xweb.example",
    "https://WEB.example",
    "http://localhost",
    "http://localhost:30000",
    "http://127.0.0.1:3000",
    "NULL",
    "app://desk2",
    "app://",
    "file:",
    "file:///",
    "*",
    "https://web.example, null",
];

async fn with_listed() -> TestApp {
    TestApp::with(|config| {
        config.server.allowed_origins = LISTED.map(str::to_owned).to_vec();
    })
    .await
}

/// The answers that a browser would ask for: a preflight, a read, and what is not there.
async fn answers(app: &TestApp, path: &str, origin: &str) -> [Answer; 2] {
    let read = app.request(Method::GET, path).header("origin", origin);
    [preflight(app, path, origin).await, Answer::of(read).await]
}

/// What holds of any answer, whoever asks.
fn check(answer: &Answer, origin: &str, allowed: bool) {
    let told = answer.header("access-control-allow-origin");
    assert_eq!(told, allowed.then_some(origin), "{origin}: {answer:?}");
    // No page is let in by cookies, so none needs them; and what differs by origin must not
    // be kept for another.
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let vary = answer.headers.get_all("vary").iter();
    let vary: Vec<_> = vary.map(|value| value.to_str().unwrap()).collect();
    assert!(vary.join(",").to_lowercase().contains("origin"), "{vary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_allowed_to_the_letter() {
    let app = with_listed().await;
    for path in ["/api/conversations", "/api/admin/audit", "/api/nothing"] {
        for (origins, allowed) in [(&LISTED[..], true), (&OTHERS[..], false)] {
            for origin in origins {
                for answer in answers(&app, path, origin).await {
                    check(&answer, origin, allowed);
                }
            }
        }
    }
    // With none at all there is nobody to tell, and still the same to keep.
    let none = Answer::of(app.request(Method::GET, "/api/conversations")).await;
    check(&none, "", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_route_is_open_and_no_other_passes_for_it() {
    let app = with_listed().await;
    for origin in LISTED.iter().chain(&OTHERS) {
        for answer in answers(&app, "/api/manager/bridge-login-complete", origin).await {
            check(&answer, origin, true);
        }
    }
    for path in [
        "/api/manager",
        "/api/Manager/bridge-login-complete",
        "/api/managers/x",
        "/api/conversations?x=/api/manager/",
        "/api/conversations/%2Fapi%2Fmanager%2F",
        "/api//manager/bridge-login-complete",
    ] {
        for answer in answers(&app, path, "https://evil.example").await {
            check(&answer, "https://evil.example", false);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_no_page_is_allowed_not_even_null() {
    let app = TestApp::with(|config| config.server.allowed_origins.clear()).await;
    for origin in LISTED {
        for answer in answers(&app, "/api/conversations", origin).await {
            check(&answer, origin, false);
        }
    }
}

/// A preflight allows what the description has, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_names_the_methods_and_headers_that_there_are() {
    let app = with_listed().await;
    let answer = preflight(&app, "/api/conversations", LISTED[0]).await;
    let list = |name: &str| {
        let values = answer.header(name).unwrap().to_lowercase();
        let mut values: Vec<_> = values.split(',').map(|v| v.trim().to_owned()).collect();
        values.sort();
        values
    };
    assert_eq!(
        list("access-control-allow-methods"),
        ["delete", "get", "patch", "post"]
    );
    assert_eq!(
        list("access-control-allow-headers"),
        ["authorization", "content-type", "range"]
    );
    assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    let read = app.request(Method::GET, "/api/conversations");
    let read = Answer::of(read.header("origin", LISTED[0])).await;
    let exposed = read.header("access-control-expose-headers").unwrap();
    assert!(exposed.to_lowercase().contains("retry-after"), "{exposed}");
}

/// What is no page's business says nothing of pages.
#[tokio::test(flavor = "multi_thread")]
async fn beside_the_api_there_is_no_cors() {
    let app = with_listed().await;
    for path in [
        "/healthz",
        "/openapi.json",
        "/_matrix/app/v1/ping",
        "/nothing",
    ] {
        for answer in answers(&app, path, LISTED[0]).await {
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        }
    }
}

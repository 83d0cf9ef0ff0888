//! Who asks too often, and whose body is too long.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tributary::config::{ApiKeys, Config, Limits};

use crate::api::app::{ADMIN_KEY, Answer, HS_TOKEN, ORIGIN, TestApp};

const LIST: &str = "/api/conversations";
const STATUS: &str = "/api/bridge/meta/status";
const BURST: usize = 3;

/// So slow a refill that no test sees one.
fn strict(config: &mut Config) {
    config.limits = Limits {
        per_ip_per_second: 1,
        per_user_per_second: 1,
        burst: u32::try_from(BURST).unwrap(),
        ..Limits::default()
    };
    config.server.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    config.bridges[0].as_token = Some("the-bridges-token".into());
    config.manager.api_key = ApiKeys(vec!["the-managers-key".into()]);
}

fn from(request: RequestBuilder, address: &str) -> RequestBuilder {
    request.header("x-forwarded-for", address)
}

async fn statuses(times: usize, request: impl Fn() -> RequestBuilder) -> Vec<u16> {
    let answers = (0..times).map(|_| Answer::of(request()));
    let answers = futures_util::future::join_all(answers).await;
    answers.iter().map(|answer| answer.status).collect()
}

/// Of many requests at once the burst is answered with `status`, the rest refused.
async fn is_limited(status: u16, request: impl Fn() -> RequestBuilder) {
    let began = Instant::now();
    let asked = statuses(BURST + 10, request).await;
    let count = |wanted: u16| asked.iter().filter(|&&status| status == wanted).count();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let (answered, refused) = (count(status), count(429));
    assert!(
        (BURST..=BURST + seconds + 1).contains(&answered),
        "{asked:?}"
    );
    assert_eq!(answered + refused, asked.len(), "{asked:?}");
}

async fn is_not_limited(status: u16, request: impl Fn() -> RequestBuilder) {
    assert_eq!(statuses(4 * BURST, request).await, vec![status; 4 * BURST]);
}

/// Asks until it is refused, which is soon unless it never is.
async fn refusal(request: impl Fn() -> RequestBuilder) -> Answer {
    for _ in 0..50 {
        let answer = Answer::of(request()).await;
        if answer.status == 429 {
            return answer;
        }
    }
    panic!("it was never refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_counted_before_its_token_is_looked_at() {
    let app = TestApp::with(strict).await;
    let garbage = || from(app.request(Method::GET, LIST), "203.0.113.1").bearer_auth("a.b.c");
    is_limited(401, garbage).await;
    let refused = refusal(|| garbage().header("origin", ORIGIN)).await;
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // A page can read it, and may ask whether it may.
    assert_eq!(refused.header("access-control-allow-origin"), Some(ORIGIN));
    let preflight = from(app.request(Method::OPTIONS, LIST), "203.0.113.1")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "GET");
    assert_eq!(Answer::of(preflight).await.status, 200);
    // Others have their own count, whom they claim to be asked for by or not.
    let other = from(
        app.viewer("user_a", Method::GET, LIST),
        "203.0.113.1, 203.0.113.2",
    );
    assert_eq!(Answer::of(other).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_network_is_one_address() {
    let app = TestApp::with(strict).await;
    let ask = |address: &str| from(app.request(Method::GET, LIST), address);
    is_limited(401, || ask("2001:db8::1")).await;
    refusal(|| ask("2001:db8::ffff:2:1")).await;
    let other = Answer::of(ask("2001:db8:0:1::1")).await;
    assert_eq!(other.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_counted_wherever_they_are() {
    let app = TestApp::with(strict).await;
    let list = |user: &str, address: &str| from(app.viewer(user, Method::GET, LIST), address);
    let nth = AtomicUsize::new(0);
    let elsewhere = || {
        let nth = nth.fetch_add(1, Ordering::Relaxed);
        list("user_a", &format!("203.0.113.{nth}"))
    };
    is_limited(200, elsewhere).await;
    let refused = refusal(elsewhere).await;
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let other = Answer::of(list("user_b", "198.51.100.7")).await;
    assert_eq!(other.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_homeserver_and_the_health_are_not_counted() {
    let app = TestApp::with(strict).await;
    for path in ["/healthz", "/livez", "/readyz"] {
        is_not_limited(200, || app.request(Method::GET, path)).await;
    }
    let ping = || {
        let ping = app.request(Method::POST, "/_matrix/app/v1/ping");
        ping.bearer_auth(HS_TOKEN).json(&json!({}))
    };
    is_not_limited(200, ping).await;
    let strange = || app.request(Method::PUT, "/_matrix/app/v1/transactions/1");
    is_not_limited(401, strange).await;
    let description = || app.request(Method::GET, "/openapi.json");
    is_limited(200, description).await;
    let nothing = || from(app.request(Method::GET, "/nothing"), "203.0.113.1");
    is_limited(404, nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_key_is_not_counted_and_a_wrong_one_is() {
    let app = TestApp::with(strict).await;
    let state = json!({"state_event": "RUNNING", "timestamp": 1});
    let rooms = |key: &'static str| {
        move |app: &TestApp| {
            app.request(Method::GET, "/api/admin/rooms")
                .bearer_auth(key)
        }
    };
    let push = |key: &'static str| {
        let state = state.clone();
        move |app: &TestApp| {
            let push = app.request(Method::POST, STATUS).json(&state);
            push.bearer_auth(key)
        }
    };
    let (wrong, right) = (rooms("another-key"), rooms(ADMIN_KEY));
    let at = |address: &'static str, request: RequestBuilder| from(request, address);
    is_limited(401, || at("203.0.113.1", wrong(&app))).await;
    is_not_limited(200, || at("203.0.113.1", right(&app))).await;

    let (wrong, right) = (push(ADMIN_KEY), push("the-bridges-token"));
    is_limited(401, || at("203.0.113.2", wrong(&app))).await;
    is_not_limited(200, || at("203.0.113.2", right(&app))).await;
    // A key opens its own door only.
    let elsewhere = || {
        let list = app.request(Method::GET, LIST).bearer_auth(ADMIN_KEY);
        at("203.0.113.3", list)
    };
    is_limited(401, elsewhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_companions_key_is_everybodys() {
    let app = TestApp::with(strict).await;
    let report = || {
        let report = app.request(Method::POST, "/api/manager/bridge-login-complete");
        report.bearer_auth("the-managers-key").json(&json!({}))
    };
    is_limited(400, report).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_too_much_is_told_so() {
    let app = TestApp::start().await;
    for (path, length) in [
        ("/api/messenger/link", 1025),
        ("/api/messenger/link", 900 * 1024),
    ] {
        let request = app.viewer("user_a", Method::POST, path);
        let request = request.header("content-type", "application/json");
        let answer = Answer::of(request.body(vec![b' '; length])).await;
        let refused = (answer.status, answer.code());
        assert_eq!(
            refused,
            (413, "payload_too_large".into()),
            "{path} {length}"
        );
    }
}

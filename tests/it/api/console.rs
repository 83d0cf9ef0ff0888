//! `/console`: its files, what browsers are told of them, and who gets a token.

use std::{fs, path::Path, sync::Arc};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tributary::{
    api,
    app::App,
    auth::dev_pass::{is_pass_of, pass_of},
};

use crate::{
    api::app::{Answer, TestApp},
    support::keys::{new_key, signing_key},
};

const OPERATORS: &str = "/console/operator";

async fn get(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.request(Method::GET, path)).await
}

fn directives(answer: &Answer) -> Vec<&str> {
    let policy = answer.header("content-security-policy").unwrap();
    policy.split("; ").collect()
}

/// What the operator's own address answers.
async fn at_operators(app: &Arc<App>, path: &str) -> Response<Body> {
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let request = Request::get(path).extension(ConnectInfo(here));
    let router = api::operator_router(Arc::clone(app));
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await;
    answer.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_kept_from_doing_harm() {
    let app = TestApp::start().await;
    for path in ["/console", "/console/", OPERATORS] {
        let page = get(&app, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(
            page.header("cross-origin-opener-policy"),
            Some("same-origin")
        );
        let policy = directives(&page);
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self' ws://127.0.0.1:29330",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.contains(&directive), "{path}: {directive}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pages_name_is_there() {
    let app = TestApp::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/console");
    for folder in ["client", "customer", "operator", "shared"] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let path = format!("/console/{folder}/{name}");
            let answer = get(&app, &path).await;
            let is_page = name == "index.html";
            assert_eq!(answer.status, if is_page { 404 } else { 200 }, "{path}");
            assert_eq!(answer.header("content-security-policy").is_some(), !is_page);
        }
    }
    let script = get(&app, "/console/customer/main.js").await;
    let kind = script.header("content-type");
    assert_eq!(kind, Some("text/javascript; charset=utf-8"));
    for path in [
        "/console/nothing",
        "/console/customer/nothing.js",
        "/console/customer/../../Cargo.toml",
        "/console/customer/%2e%2e/%2e%2e/Cargo.toml",
        "/console/shared/%2Fetc%2Fpasswd.js",
    ] {
        assert_eq!(get(&app, path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_has_is_not_sent_again() {
    let app = TestApp::start().await;
    let first = get(&app, "/console").await;
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let again = |known: String| {
        let request = app.request(Method::GET, "/console");
        Answer::of(request.header("if-none-match", known))
    };
    let known = again(format!("\"other\", W/{etag}")).await;
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    assert_eq!(known.header("etag"), Some(etag.as_str()));
    assert!(known.header("content-security-policy").is_some());
    assert_eq!(again("\"other\"".to_owned()).await.text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_switched_off() {
    let app = TestApp::with(|config| config.console.on = false).await;
    for path in ["/console", OPERATORS, "/console/settings.json"] {
        assert_eq!(get(&app, path).await.code(), "not_found", "{path}");
        let answer = at_operators(&app.app, path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_part_is_where_the_operator_is() {
    let beside = TestApp::start().await;
    assert_eq!(get(&beside, OPERATORS).await.status, 200);
    let app = TestApp::with(|config| {
        config.server.operator_bind = Some(([127, 0, 0, 1], 2).into());
    })
    .await;
    for path in [OPERATORS, "/console/operator/main.js"] {
        assert_eq!(get(&app, path).await.status, 404, "{path}");
        assert_eq!(at_operators(&app.app, path).await.status(), StatusCode::OK);
    }
    assert_eq!(get(&app, "/console").await.status, 200);
    assert_eq!(
        get(&app, "/console/settings.json").await.json()["operator"],
        false
    );
    let customers = at_operators(&app.app, "/console").await;
    assert_eq!(customers.headers()["location"], OPERATORS);
    for path in [
        "/console/customer/main.js",
        "/console/client/index.js",
        "/console/settings.json",
        "/console/dev-token",
    ] {
        let answer = at_operators(&app.app, path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let shared = at_operators(&app.app, "/console/shared/base.css").await;
    assert_eq!(shared.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn clerks_script_runs_on_the_sign_in_page_alone() {
    let without = TestApp::start().await;
    assert_eq!(get(&without, "/console/sign-in").await.status, 404);
    let app = TestApp::with(|config| {
        config.clerk.issuer = Some("https://quiet-fox-1.clerk.accounts.dev".to_owned());
    })
    .await;
    let sign_in = get(&app, "/console/sign-in").await;
    let clerk = "https://quiet-fox-1.clerk.accounts.dev";
    let protect = "https://*.protect.clerk.com";
    for wanted in [
        format!("script-src 'self' {clerk} https://challenges.cloudflare.com {protect}"),
        format!("connect-src 'self' {clerk} {protect}:*"),
        format!("frame-src https://challenges.cloudflare.com {protect}"),
    ] {
        assert!(
            directives(&sign_in).contains(&wanted.as_str()),
            "{sign_in:?}"
        );
    }
    assert!(directives(&get(&app, "/console").await).contains(&"script-src 'self'"));
    let settings = get(&app, "/console/settings.json").await.json();
    assert_eq!(
        settings["clerk"]["frontendApi"],
        "https://quiet-fox-1.clerk.accounts.dev"
    );
}

fn pass(key: &SecretString, user: &str) -> Value {
    let pass = pass_of(key, user).unwrap();
    json!({"userId": user, "pass": pass.expose_secret()})
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_pass_gets_this_users_tokens() {
    let app = TestApp::start().await;
    let ask = |body: Value| {
        let request = app.request(Method::POST, "/console/dev-token");
        Answer::of(request.json(&body))
    };
    let answer = ask(pass(signing_key(), "user_a")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let conversations = app.request(Method::GET, "/api/conversations");
    assert_eq!(
        Answer::of(conversations.bearer_auth(token)).await.status,
        200
    );

    let mut other = pass(signing_key(), "user_a");
    other["userId"] = json!("user_b");
    for body in [
        other,
        pass(&new_key(), "user_a"),
        json!({"userId": "", "pass": ""}),
    ] {
        assert_eq!(ask(body).await.code(), "unauthorized");
    }
    assert!(!is_pass_of(
        signing_key(),
        "user_b",
        &pass_of(signing_key(), "user_a").unwrap()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_gets_no_token() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("host", "evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = app.request(Method::POST, "/console/dev-token");
        let request = request
            .header(name, value)
            .json(&pass(signing_key(), "user_a"));
        assert_eq!(
            Answer::of(request).await.code(),
            "forbidden",
            "{name}: {value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_development_key_there_are_no_tokens() {
    let app = TestApp::with(|config| {
        config.clerk.development_key_file = None;
        config.clerk.issuer = Some("https://quiet-fox-1.clerk.accounts.dev".to_owned());
    })
    .await;
    let request = app.request(Method::POST, "/console/dev-token");
    let answer = Answer::of(request.json(&pass(signing_key(), "user_a"))).await;
    assert!(matches!(answer.status, 404 | 405), "{answer:?}");
    assert_eq!(
        get(&app, "/console/settings.json").await.json()["development"],
        false
    );
}

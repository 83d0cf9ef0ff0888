//! `server.operator_bind`: the operator's endpoints at an address of their own.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use reqwest::Method;
use tower::ServiceExt as _;
use tributary::{api, app::App};

use crate::api::app::{Answer, TestApp};

const PATH: &str = "/api/admin/dead-letters";

/// What the operator's own address answers.
async fn at_operators(app: &Arc<App>, path: &str) -> StatusCode {
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let request = Request::get(path).extension(ConnectInfo(here));
    let router = api::operator_router(Arc::clone(app));
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await;
    answer.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_address_of_their_own_they_are_nowhere_else() {
    let app = TestApp::with(|config| {
        config.server.operator_bind = Some(([127, 0, 0, 1], 2).into());
    })
    .await;
    let everybodys = Answer::of(app.request(Method::GET, PATH)).await;
    assert_eq!(
        (everybodys.status, everybodys.code().as_str()),
        (404, "not_found")
    );
    assert_eq!(at_operators(&app.app, PATH).await, StatusCode::UNAUTHORIZED);
    assert_eq!(at_operators(&app.app, "/readyz").await, StatusCode::OK);
    for path in [
        "/api/conversations",
        "/_matrix/app/v1/ping",
        "/openapi.json",
    ] {
        assert_eq!(
            at_operators(&app.app, path).await,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_they_are_beside_the_others() {
    let app = TestApp::start().await;
    let answer = Answer::of(app.request(Method::GET, PATH)).await;
    assert_eq!(answer.status, 401);
}

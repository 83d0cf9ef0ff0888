//! `/api/conversations`.

mod get;
mod list;
mod messages;
mod paging;
mod read;

use serde_json::Value;

use crate::api::{
    app::TestApp,
    world::{link, member, portal},
};

pub(crate) const ALICE: &str = "@alice:lab.local";
pub(crate) const BOB: &str = "@bob:lab.local";
pub(crate) const GHOST: &str = "@facebook_1:lab.local";
pub(crate) const ROOM: &str = "!of-alice";

/// Alice with a direct chat; Bob with nothing.
pub(crate) async fn alice_and_bob() -> TestApp {
    with_alice_and_bob(TestApp::start().await).await
}

/// The same, in an app that the test has configured.
pub(crate) async fn with_alice_and_bob(app: TestApp) -> TestApp {
    link(&app, "user_alice", ALICE, Some("100")).await;
    link(&app, "user_bob", BOB, None).await;
    portal(&app, ROOM, &[ALICE, GHOST, "@facebookbot:lab.local"]).await;
    let names = [
        member(ROOM, ALICE, "$alice", "Alice"),
        member(ROOM, GHOST, "$ghost", "Grace"),
        member(ROOM, "@facebookbot:lab.local", "$bot", "Bot"),
    ];
    app.push_events("names", &names).await;
    app
}

/// The only conversation of a user.
pub(crate) async fn only(app: &TestApp, user: &str) -> Value {
    let mut list = app.get(user, "/api/conversations").await.json();
    let items = list["items"].as_array_mut().unwrap();
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

pub(crate) async fn only_path(app: &TestApp, user: &str) -> String {
    let conversation = only(app, user).await;
    format!(
        "/api/conversations/{}",
        conversation["id"].as_str().unwrap()
    )
}

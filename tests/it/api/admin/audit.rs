//! `GET /api/admin/audit`.

use reqwest::Method;
use serde_json::json;

use super::{each, fields, listed};
use crate::api::{app::TestApp, conversations::alice_and_bob};

const LIST: &str = "/api/admin/audit";

#[tokio::test(flavor = "multi_thread")]
async fn it_says_who_did_what_the_newest_first() {
    let app = alice_and_bob().await;
    app.admin(Method::GET, "/api/admin/rooms?limit=0").await;
    app.admin_with(
        Method::PATCH,
        "/api/admin/rooms/!of-alice",
        &json!({"backfill": false}),
    )
    .await;
    let rows = listed(&app, LIST, "").await;
    assert_eq!(each(&rows, "action"), ["room.change", "room.list"]);
    assert_eq!(each(&rows, "outcome"), ["ok", "invalid_request"]);
    let change = &rows[0];
    assert_eq!(change["target"], "!of-alice");
    assert_eq!(
        change["details"],
        json!({"enabled": true, "backfill": false})
    );
    assert_eq!(change["actor"], "admin");
    assert_eq!(change["origin"], "127.0.0.1");
    let at = change["at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
    let expected = [
        "action", "actor", "at", "details", "id", "origin", "outcome", "target",
    ];
    assert_eq!(fields(change), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_narrowed_by_action_actor_and_target() {
    let app = alice_and_bob().await;
    for _ in 0..3 {
        app.admin(Method::GET, "/api/admin/rooms").await;
    }
    let path = "/api/admin/rooms/!nobodys";
    app.admin_with(Method::PATCH, path, &json!({"enabled": true}))
        .await;
    for (query, count) in [
        ("action=room.list", 3),
        ("action=room.list&actor=admin", 3),
        ("action=room.list&actor=manager", 0),
        ("action=room.%25", 0),
        ("target=!nobodys", 1),
        ("target=%25", 0),
        ("target=!nobodys&action=room.list", 0),
    ] {
        assert_eq!(listed(&app, LIST, query).await.len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_none_is_refused() {
    let app = TestApp::start().await;
    for query in [
        "actor=%00",
        "action=a%00",
        "target=%00",
        "actor=a&actor=b",
        "limit=0",
        "cursor=x",
    ] {
        let answer = app.admin(Method::GET, &format!("{LIST}?{query}")).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{query}");
    }
}

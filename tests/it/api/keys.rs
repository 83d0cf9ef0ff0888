//! The manager's and the operator's doors while a key is rotated.

use reqwest::Method;
use serde_json::json;
use tributary::config::ApiKeys;

use crate::api::app::{Answer, TestApp};

const ADMIN: &str = "/api/admin/audit";
const MANAGER: &str = "/api/manager/bridge-login-complete";

fn keys(keys: &[&str]) -> ApiKeys {
    ApiKeys(keys.iter().map(|&key| key.into()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_and_the_new_one_open_the_same_door_and_no_other() {
    let app = TestApp::with(|config| {
        config.admin.api_key = keys(&["the-old-admin-key", "the-new-admin-key"]);
        config.manager.api_key = keys(&["the-old-manager-key", "the-new-manager-key"]);
    })
    .await;
    for (key, admin, manager) in [
        ("the-old-admin-key", 200, 401),
        ("the-new-admin-key", 200, 401),
        ("the-old-manager-key", 401, 400),
        ("the-new-manager-key", 401, 400),
        ("the-new-admin-ke", 401, 401),
        ("the-new-admin-key,the-old-admin-key", 401, 401),
        ("The-New-Admin-Key", 401, 401),
    ] {
        let answer = Answer::of(app.request(Method::GET, ADMIN).bearer_auth(key)).await;
        assert_eq!(answer.status, admin, "{key}");
        // A report that says nothing is no report, for whoever may report at all.
        let report = app.request(Method::POST, MANAGER).json(&json!({}));
        let answer = Answer::of(report.bearer_auth(key)).await;
        assert_eq!(answer.status, manager, "{key}");
    }
    // What is compared are hashes; the keys themselves are gone.
    let config = &app.app.config;
    assert!(config.admin.api_key.0.is_empty() && config.manager.api_key.0.is_empty());
}

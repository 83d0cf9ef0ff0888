//! The same over HTTP; one file per path.

mod bridge_status;
mod manager_bridge_login_complete;
mod messenger_connect;
mod messenger_connections;
mod messenger_link;
mod messenger_status;

use reqwest::RequestBuilder;
use serde_json::Value;

use crate::accounts::server::answer;

/// Sends a request that must be refused; returns the status and the `code`.
async fn refused(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let content_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let (status, problem) = answer(response).await;
    assert_eq!(
        content_type, "application/problem+json",
        "{status} {problem}"
    );
    (status, problem["code"].as_str().unwrap().to_owned())
}

/// Sends a request that must succeed with this status; returns the JSON.
async fn accepted(request: RequestBuilder, expected: u16) -> Value {
    let (status, body) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, expected, "{body}");
    body
}

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

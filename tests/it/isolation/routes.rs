//! What the router has, by its own description.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use tributary::api;

use crate::support::{app::Answer, live::World, serve};

/// An operation of the description.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: String,
    description: Value,
}

/// Everything under `/api`, those that delete last: they would take away what the others ask
/// for.
pub(super) fn operations(description: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, description) in methods.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                description: description.clone(),
            });
        }
    }
    operations.retain(|operation| operation.path.starts_with("/api/"));
    operations.sort_by_key(|operation| operation.method == Method::DELETE);
    operations
}

impl Operation {
    /// Whether a Clerk session is asked for; those without are the machines'.
    pub(super) fn is_of_customers(&self) -> bool {
        let schemes = self.description["security"].as_array();
        let schemes = schemes.unwrap_or_else(|| panic!("{self} says not whom it is for"));
        schemes.iter().any(|scheme| scheme.get("clerk").is_some())
    }

    /// The names of its parameters of a kind, `path` or `query`.
    pub(super) fn parameters(&self, kind: &str) -> Vec<String> {
        let parameters = self.description["parameters"].as_array();
        let of_kind = parameters
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == kind);
        of_kind
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(super) fn has_body(&self) -> bool {
        self.description.get("requestBody").is_some()
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The paths that a router serves. It tells them to nobody but a debugger: where its words
/// change, [`every_route_is_described`] finds none and fails.
fn served(router: &axum::Router) -> BTreeSet<String> {
    let debug = format!("{router:?}");
    let paths = debug.split('"').skip(1).step_by(2);
    paths
        .filter(|path| path.starts_with("/api/") && *path != "/api/{*unknown}")
        .map(str::to_owned)
        .collect()
}

/// A route that is not described would be tested by nobody: not by the walk, not by those
/// that ask what a stranger gets.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described() {
    let world = World::new().await;
    let router = api::router(std::sync::Arc::clone(&world.app));
    let base = serve(&world.app).await;
    let http = reqwest::Client::new();
    let description = Answer::of(http.get(format!("{base}/openapi.json")))
        .await
        .json();
    let operations = operations(&description);
    let described: BTreeSet<_> = operations.iter().map(|o| o.path.clone()).collect();
    assert!(described.len() >= 15, "{described:?}");
    assert_eq!(served(&router), described);
    // Nor is there a method that is not described.
    for path in &described {
        let methods: BTreeSet<_> = operations
            .iter()
            .filter(|operation| operation.path == *path)
            .map(|operation| operation.method.as_str())
            .collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let url = format!("{base}{path}").replace(['{', '}'], "");
            let answer = http.request(method.parse().unwrap(), url).send().await;
            let status = answer.unwrap().status().as_u16();
            let is_served = status != 405;
            assert_eq!(
                is_served,
                methods.contains(method),
                "{method} {path}: {status}"
            );
        }
    }
}

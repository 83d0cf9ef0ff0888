//! The API's description, and what it lets a test ask of every endpoint.

use reqwest::Method;
use serde_json::Value;

use crate::api::app::{Answer, TestApp};

async fn description(app: &TestApp) -> Value {
    let answer = Answer::of(app.request(Method::GET, "/openapi.json")).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// Every operation under `/api`: method, path with its parameters filled in, description.
fn operations(description: &Value) -> Vec<(Method, String, Value)> {
    let paths = description["paths"].as_object().unwrap();
    let operations: Vec<_> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/api/"))
        .flat_map(|(path, methods)| {
            let path = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| {
                    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                    (method, path.clone(), operation.clone())
                })
        })
        .collect();
    assert!(operations.len() >= 5, "{operations:?}");
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_open_to_strangers() {
    let app = TestApp::start().await;
    for (method, path, _) in operations(&description(&app).await) {
        let answer = Answer::of(app.request(method.clone(), &path)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "unauthorized"),
            "{method} {path}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let request = app.request(method.clone(), &path).bearer_auth("nonsense");
        assert_eq!(Answer::of(request).await.status, 401, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_what_it_wants_and_how_it_refuses() {
    let app = TestApp::start().await;
    let description = description(&app).await;
    for (method, path, operation) in operations(&description) {
        let schemes = operation["security"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        // A ticket is for what else takes a session token.
        let others = schemes.get(1..).unwrap_or_default();
        let are_tickets = others.iter().all(|scheme| scheme.get("ticket").is_some());
        assert!(
            !schemes.is_empty() && others.len() <= 1 && are_tickets,
            "{method} {path}"
        );
        let scheme = schemes[0]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone();
        let defined = &description["components"]["securitySchemes"][&scheme];
        assert_eq!(defined["scheme"], "bearer", "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let response = resolved(&description, response);
            assert!(
                response["description"].is_string(),
                "{method} {path} {status}"
            );
        }
        for status in ["401", "429", "500", "503"] {
            let response = resolved(&description, &responses[status]);
            let response = &response["content"]["application/problem+json"];
            assert!(response.is_object(), "{method} {path} {status}");
        }
    }
}

fn resolved<'d>(description: &'d Value, response: &'d Value) -> &'d Value {
    let reference = response["$ref"].as_str();
    reference.map_or(response, |to| {
        description.pointer(to.trim_start_matches('#')).unwrap()
    })
}

/// A `$ref` to nothing breaks every generated client.
#[tokio::test(flavor = "multi_thread")]
async fn every_reference_leads_somewhere() {
    let app = TestApp::start().await;
    let description = description(&app).await;
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                references.push(reference.clone());
            }
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(array) => array.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

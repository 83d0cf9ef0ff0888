//! `openapi.json` is the committed copy of what the program serves at `/openapi.json`, for
//! whoever makes a client without running it. This fails while it is another one; to write
//! it, and then the types of the TypeScript client from it:
//!
//! ```sh
//! TRIBUTARY_TEST_UPDATE=1 cargo test --test openapi --test typescript
//! npm --prefix web/client run generate
//! ```
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic too")]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use tributary::{api, ws};

const FILE: &str = "openapi.json";

fn served() -> Value {
    let mut described = api::description();
    described.merge(ws::description());
    api::openapi::document(&described)
}

/// Method and path of every operation, and what is said of it.
fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
    });
    operations.collect()
}

#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let served = serde_json::to_string_pretty(&served()).unwrap() + "\n";
    if std::env::var_os("TRIBUTARY_TEST_UPDATE").is_some() {
        fs::write(&path, &served).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed
        .lines()
        .zip(served.lines())
        .find(|(old, new)| old != new);
    assert!(
        committed == served,
        "{FILE} is not what is served, at {differs:?}: see the head of this test"
    );
}

/// Client generators name functions after it.
#[test]
fn every_operation_has_a_name_of_its_own() {
    let operations = operations(&served());
    let names: BTreeSet<_> = operations
        .iter()
        .map(|(_, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), operations.len());
    for name in names {
        assert!(name.chars().all(char::is_alphanumeric), "{name}");
        assert!(name.starts_with(char::is_lowercase), "{name}");
    }
}

#[test]
fn every_operation_has_a_tag_that_is_explained() {
    let document = served();
    let explained: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    for (name, operation) in operations(&document) {
        let tags = operation["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 1, "{name}");
        assert!(explained.contains(tags[0].as_str().unwrap()), "{name}");
    }
}

/// What is refused is a problem everywhere, and says by which code.
#[test]
fn every_refusal_is_a_problem() {
    let document = served();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_health = operation["tags"][0] == "health" && status == "503";
            if !status.starts_with(['4', '5']) || is_health {
                continue;
            }
            let pointer = response["$ref"].as_str().map(|to| &to[1..]);
            let response = pointer.map_or(response, |to| document.pointer(to).unwrap());
            let content = &response["content"]["application/problem+json"];
            assert!(content.is_object(), "{name} {status}");
        }
    }
}

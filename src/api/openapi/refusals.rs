//! What an operation can be refused with, and no more: who has to say who they are can be a
//! stranger, what has a body can be too long, what has an id in its path can be unknown.
//! Only what follows from none of this an endpoint says itself, as
//! [`Conflicts`](crate::api::error::Conflicts) does.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api::error::{CONTENT_TYPE, Described, described};

/// Writes down each refusal once, and at each operation which of them it has.
pub(super) fn add(document: &mut Value) {
    let known = described();
    document["components"]["responses"] = known
        .iter()
        .map(|known| (known.name.to_owned(), response(known)))
        .collect::<Map<_, _>>()
        .into();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, methods) in paths {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            write(path, operation, &known);
        }
    }
}

fn response(known: &Described) -> Value {
    let (status, code) = (known.status.as_u16(), known.code);
    let title = known.status.canonical_reason().unwrap_or_default();
    let mut response = json!({
        "description": format!("{} (`{code}`)", known.description),
        "content": { CONTENT_TYPE: {
            "schema": { "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                {
                    "type": "object", "required": ["status", "code"],
                    "properties": { "status": { "const": status }, "code": { "const": code } }
                }
            ]},
            "example": {
                "type": "about:blank", "title": title, "status": status,
                "detail": known.detail, "code": code
            }
        }}
    });
    if let Some((name, description, schema)) = header(known.status) {
        response["headers"] = json!({ name: {
            "description": description, "required": true, "schema": schema
        }});
    }
    response
}

fn header(status: StatusCode) -> Option<(&'static str, &'static str, Value)> {
    let wait = "When to come back, in seconds";
    match status {
        StatusCode::UNAUTHORIZED => Some((
            "WWW-Authenticate",
            "What is asked for",
            json!({ "const": "Bearer" }),
        )),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            Some(("Retry-After", wait, seconds))
        }
        _ => None,
    }
}

/// Adds what follows from how the operation is made, and the problem to what it says itself.
fn write(path: &str, operation: &mut Value, known: &[Described]) {
    let follows = follow(path, operation);
    let responses = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    let Some(responses) = responses else {
        return;
    };
    for status in follows {
        responses.entry(status.as_str()).or_insert(Value::Null);
    }
    for (status, response) in responses.iter_mut() {
        let is_refusal = status.starts_with(['4', '5']);
        if !is_refusal || response.get("$ref").is_some() || response.get("content").is_some() {
            continue;
        }
        match known.iter().find(|known| known.status.as_str() == status) {
            Some(known) if response.is_null() => *response = json!({ "$ref": known.place() }),
            Some(known) => response["$ref"] = known.place().into(),
            None => response["content"] = problem(),
        }
    }
}

fn problem() -> Value {
    json!({ CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } })
}

/// The refusals that follow from how an operation is made.
fn follow(path: &str, operation: &Value) -> Vec<StatusCode> {
    let scheme = operation["security"][0].as_object();
    let scheme = scheme.and_then(|schemes| schemes.keys().next());
    let has = |place: &str| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters
            .into_iter()
            .any(|parameter| parameter["in"] == place)
    };
    if !path.starts_with("/api/") {
        return Vec::new();
    }
    let mut follow = vec![
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if scheme.is_some() {
        follow.push(StatusCode::UNAUTHORIZED);
    }
    match scheme.map(String::as_str) {
        // Whatever a bridge sends is taken, and one that is not known is a stranger.
        Some("bridge") => return follow,
        Some("clerk") => follow.push(StatusCode::FORBIDDEN),
        _ => {}
    }
    if has("path") {
        follow.push(StatusCode::NOT_FOUND);
    }
    let has_body = operation.get("requestBody").is_some();
    if has_body || has("query") {
        follow.push(StatusCode::BAD_REQUEST);
    }
    if has_body {
        follow.extend([
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }
    follow
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(path: &str, operation: &Value) -> Vec<String> {
        let mut document = json!({ "paths": { path: { "post": operation } }, "components": {} });
        add(&mut document);
        let responses = &document["paths"][path]["post"]["responses"];
        responses.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn what_an_operation_takes_says_what_it_refuses() {
        let plain = json!({ "security": [{ "admin": [] }], "responses": { "200": {} } });
        let expected = ["200", "401", "429", "500", "503"];
        assert_eq!(statuses("/api/x", &plain), expected);
        assert_eq!(statuses("/healthz", &plain), ["200"]);
        let full = json!({
            "security": [{ "clerk": [] }], "responses": { "200": {} }, "requestBody": {},
            "parameters": [{ "in": "path" }],
        });
        let expected = [
            "200", "400", "401", "403", "404", "408", "413", "415", "429", "500", "503",
        ];
        assert_eq!(statuses("/api/x", &full), expected);
    }

    #[test]
    fn what_an_endpoint_says_itself_gets_the_problem() {
        let operation = json!({ "responses": {
            "429": { "description": "too many" }, "426": { "description": "no socket" },
        }});
        let mut document = json!({ "paths": { "/ws": { "get": operation } }, "components": {} });
        add(&mut document);
        let responses = &document["paths"]["/ws"]["get"]["responses"];
        let many =
            json!({ "description": "too many", "$ref": "#/components/responses/RateLimited" });
        assert_eq!(responses["429"], many);
        assert_eq!(responses["426"]["content"], problem());
    }

    #[test]
    fn each_refusal_has_its_own_place() {
        let all = described();
        let names: std::collections::BTreeSet<_> = all.iter().map(|known| known.name).collect();
        let statuses: std::collections::BTreeSet<_> =
            all.iter().map(|known| known.status).collect();
        assert_eq!((names.len(), statuses.len()), (all.len(), all.len()));
    }
}

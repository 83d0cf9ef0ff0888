//! The types of what the TypeScript client shows and of the frames are the server's:
//! `web/client/src/generated.ts` is made from what `/openapi.json` says, which is made from the
//! Rust types (what can be called is in `api.generated.ts`, made from the same by a tool of
//! npm's). This fails while the committed file is another one; to write it:
//!
//! ```sh
//! TRIBUTARY_TEST_UPDATE=1 cargo test --test typescript
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test may panic too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use serde_json::Value;
use tributary::{api, ws};

const FILE: &str = "web/client/src/generated.ts";
const HEADER: &str = "// Made by `TRIBUTARY_TEST_UPDATE=1 cargo test --test typescript` from the server's own types.\n\n";
/// Where a reference leads.
const COMPONENTS: &str = "#/components/schemas/";
/// What no operation answers, and yet the client reads or writes.
const FRAMES: [&str; 3] = ["ClientFrame", "Problem", "ServerFrame"];

#[test]
fn the_clients_types_are_the_servers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let generated = generate();
    if std::env::var_os("TRIBUTARY_TEST_UPDATE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed
        .lines()
        .zip(generated.lines())
        .find(|(old, new)| old != new);
    assert!(
        committed == generated,
        "{FILE} is not what the server sends, at {differs:?}: see the head of this test"
    );
}

fn generate() -> String {
    let mut description = api::description();
    description.merge(ws::description());
    let description = api::openapi::document(&description);
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let operations = operations(&description);

    let mut wanted: Vec<_> = FRAMES.iter().map(|&name| name.to_owned()).collect();
    for operation in operations.values() {
        wanted.extend(references(&request(operation)));
        wanted.extend(references(&answer(operation)));
    }
    let mut named = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        wanted.extend(references(&schemas[&name]).difference(&named).cloned());
        named.insert(name);
    }

    let mut text = HEADER.to_owned();
    for name in &named {
        let schema = &schemas[name];
        text += &comment(schema, "");
        writeln!(text, "export type {name} = {};\n", render(schema, "")).unwrap();
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// What a web page calls: all that takes a Clerk session, but the socket, and what is
/// answered with a file: a page shows its address.
fn operations(description: &Value) -> BTreeMap<String, &Value> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    });
    operations
        .filter(|(name, operation)| {
            !name.ends_with(" /ws")
                && operation["security"][0].get("clerk").is_some()
                && operation["responses"]["200"]["content"]
                    .get("*/*")
                    .is_none()
        })
        .collect()
}

fn request(operation: &Value) -> Value {
    operation["requestBody"]["content"]["application/json"]["schema"].clone()
}

/// The schema of what is answered when all is well; null where that is nothing.
fn answer(operation: &Value) -> Value {
    let responses = operation["responses"].as_object().unwrap();
    let (_, answer) = responses
        .iter()
        .find(|(status, _)| status.starts_with('2'))
        .unwrap();
    answer["content"]["application/json"]["schema"].clone()
}

/// A schema as a type; `indent` is that of the line it begins on.
fn render(schema: &Value, indent: &str) -> String {
    if let Some(to) = schema["$ref"].as_str() {
        return to.trim_start_matches(COMPONENTS).to_owned();
    }
    for (key, glue) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        if let Some(parts) = schema[key].as_array() {
            let parts: Vec<_> = parts.iter().map(|part| render(part, indent)).collect();
            return parts.join(glue);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        return values.join(" | ");
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let kinds: Vec<_> = kinds
        .iter()
        .map(|kind| render_kind(kind.as_str().unwrap(), schema, indent))
        .collect();
    kinds.join(" | ")
}

fn render_kind(kind: &str, schema: &Value, indent: &str) -> String {
    match kind {
        "string" | "boolean" | "null" => kind.to_owned(),
        "integer" | "number" => "number".to_owned(),
        "array" => format!("Array<{}>", render(&schema["items"], indent)),
        "object" => match schema["properties"].as_object() {
            Some(properties) => {
                let inner = format!("{indent}  ");
                let mut text = "{\n".to_owned();
                for (name, property) in properties {
                    let required = schema["required"].as_array().into_iter().flatten();
                    let mark = if required.into_iter().any(|it| it == name) {
                        ""
                    } else {
                        "?"
                    };
                    text += &comment(property, &inner);
                    writeln!(text, "{inner}{name}{mark}: {};", render(property, &inner)).unwrap();
                }
                text + indent + "}"
            }
            None => match &schema["additionalProperties"] {
                of @ Value::Object(_) => format!("Record<string, {}>", render(of, indent)),
                _ => "Record<string, unknown>".to_owned(),
            },
        },
        other => panic!("a schema of type {other}"),
    }
}

fn comment(schema: &Value, indent: &str) -> String {
    let described = schema["description"].as_str();
    described.map_or_else(String::new, |text| {
        format!("{indent}/** {} */\n", text.replace('\n', " "))
    })
}

/// The names that a schema refers to, anywhere in it.
fn references(schema: &Value) -> BTreeSet<String> {
    match schema {
        Value::Object(fields) => {
            let here = fields.get("$ref").and_then(Value::as_str);
            let here = here.map(|to| to.trim_start_matches(COMPONENTS).to_owned());
            fields.values().flat_map(references).chain(here).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

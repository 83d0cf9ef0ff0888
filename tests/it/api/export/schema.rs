//! `docs/export.schema.json` is made from the lines' own types. This fails while the committed
//! file is another one; to write it:
//!
//! ```sh
//! TRIBUTARY_TEST_UPDATE=1 cargo test --test it export::schema
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use tributary::api;

const COMPONENTS: &str = "#/components/schemas/";
const LINE: &str = "ExportLine";

pub(super) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/export.schema.json")
}

#[test]
fn the_schema_is_that_of_the_lines() {
    let made = serde_json::to_string_pretty(&make()).unwrap() + "\n";
    if std::env::var_os("TRIBUTARY_TEST_UPDATE").is_some() {
        fs::write(file(), &made).unwrap();
    }
    let committed = fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == made,
        "docs/export.schema.json is not what is sent: see the head of this test"
    );
}

fn make() -> Value {
    let description = serde_json::to_value(api::description()).unwrap();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let mut defined = BTreeMap::new();
    collect(LINE, schemas, &mut defined);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of an export of Tributary, version 1",
        "$ref": format!("#/$defs/{LINE}"),
        "$defs": defined,
    })
}

/// The schema of this name, and those that it refers to.
fn collect(name: &str, schemas: &Map<String, Value>, defined: &mut BTreeMap<String, Value>) {
    if defined.contains_key(name) {
        return;
    }
    let mut names = Vec::new();
    let schema = moved(&schemas[name], &mut names);
    defined.insert(name.to_owned(), schema);
    for name in names {
        collect(&name, schemas, defined);
    }
}

/// The same, with references to where definitions are; notes whereto they lead.
fn moved(schema: &Value, names: &mut Vec<String>) -> Value {
    match schema {
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(to)) => {
                    let name = to.trim_start_matches(COMPONENTS).to_owned();
                    let to = format!("#/$defs/{name}");
                    names.push(name);
                    (key.clone(), to.into())
                }
                _ => (key.clone(), moved(value, names)),
            };
            fields.iter().map(field).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(|item| moved(item, names)).collect(),
        other => other.clone(),
    }
}

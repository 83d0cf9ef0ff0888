//! Names that generated clients are good with: `listMessages` for an operation, `MessagePage`
//! for the page of a list, whose items are the schema of that name and no copy of it.

use serde_json::{Map, Value, json};

const SCHEMAS: &str = "#/components/schemas/";
/// How utoipa begins the name of a generic page.
const GENERIC: &str = "Page_";

pub(super) fn improve(document: &mut Value) {
    let renamed = name_pages(&mut document["components"]["schemas"]);
    rename(document, &renamed);
    let mut tags = Vec::new();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, methods) in paths {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            let id = operation["operationId"].as_str().map(camel);
            operation["operationId"] = id.into();
            // Without it a reader can't tell open from forgotten.
            if operation.get("security").is_none() {
                operation["security"] = json!([]);
            }
            tags.extend(operation["tags"].as_array().cloned().unwrap_or_default());
        }
    }
    if let Some(declared) = document["tags"].as_array_mut() {
        declared.retain(|tag| tags.contains(&tag["name"]));
    }
}

/// Takes the items out of each page, and renames it; the old names and the new ones.
fn name_pages(schemas: &mut Value) -> Vec<(String, String)> {
    let Some(schemas) = schemas.as_object_mut() else {
        return Vec::new();
    };
    let generic: Vec<_> = schemas
        .keys()
        .filter(|name| name.starts_with(GENERIC))
        .cloned()
        .collect();
    let mut renamed = Vec::new();
    for old in generic {
        let item = old.trim_start_matches(GENERIC).to_owned();
        let new = format!("{item}Page");
        if let Some(page) = schemas.remove(&old) {
            insert_page(schemas, &new, &item, page);
        }
        renamed.push((format!("{SCHEMAS}{old}"), format!("{SCHEMAS}{new}")));
    }
    renamed
}

fn insert_page(schemas: &mut Map<String, Value>, name: &str, item: &str, mut page: Value) {
    let items = &mut page["properties"]["items"]["items"];
    let copied = std::mem::replace(items, json!({ "$ref": format!("{SCHEMAS}{item}") }));
    if copied.get("$ref").is_none() {
        schemas.entry(item).or_insert(copied);
    }
    schemas.insert(name.to_owned(), page);
}

fn rename(value: &mut Value, renamed: &[(String, String)]) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get_mut("$ref")
                && let Some((_, new)) = renamed.iter().find(|(old, _)| old == to)
            {
                to.clone_from(new);
            }
            for (_, field) in fields.iter_mut() {
                rename(field, renamed);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        _ => {}
    }
}

/// `list_messages` as `listMessages`.
fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_refers_to_its_items() {
        let to = |name: &str| json!({ "$ref": format!("{SCHEMAS}{name}") });
        let message = json!({ "type": "object" });
        let mut document = json!({
            "components": { "schemas": { "Page_Message": {
                "properties": { "items": { "type": "array", "items": message } }
            }}},
            "paths": { "/x": { "get": {
                "operationId": "list_all_messages", "tags": ["b"], "schema": to("Page_Message"),
            }}},
            "tags": [{ "name": "a" }, { "name": "b" }],
        });
        improve(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Message"], message);
        assert_eq!(
            schemas["MessagePage"]["properties"]["items"]["items"],
            to("Message")
        );
        assert_eq!(schemas.get("Page_Message"), None);
        let operation = &document["paths"]["/x"]["get"];
        assert_eq!(operation["schema"], to("MessagePage"));
        assert_eq!(operation["operationId"], "listAllMessages");
        assert_eq!(operation["security"], json!([]));
        assert_eq!(document["tags"], json!([{ "name": "b" }]));
    }
}

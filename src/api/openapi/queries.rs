//! A query has texts, never null: what may be left out is left out.

use serde_json::Value;

/// Takes null from what the parameters may be.
pub(super) fn clean(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, methods) in paths {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            let parameters = operation.get_mut("parameters");
            let parameters = parameters.and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                if let Some(schema) = parameter.get_mut("schema") {
                    without_null(schema);
                }
            }
        }
    }
}

fn without_null(schema: &mut Value) {
    let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) else {
        return;
    };
    kinds.retain(|kind| kind != "null");
    if let [kind] = kinds.as_slice() {
        schema["type"] = kind.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_parameter_is_null() {
        let limit = json!({ "schema": { "type": ["integer", "null"], "minimum": 1 } });
        let fixed = json!({ "schema": { "type": "string" } });
        let mut document = json!({ "paths": { "/x": {
            "get": { "parameters": [limit, fixed] }, "post": {}
        }}});
        clean(&mut document);
        let parameters = &document["paths"]["/x"]["get"]["parameters"];
        assert_eq!(
            parameters[0]["schema"],
            json!({ "type": "integer", "minimum": 1 })
        );
        assert_eq!(parameters[1], fixed);
        assert_eq!(document["paths"]["/x"]["post"], json!({}));
    }
}

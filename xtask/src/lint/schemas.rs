//! Rules on schemas: what the generator turns into a type that refuses, or sends, too much.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Breach;
use crate::spec::{operations, resolve};

/// Calls `visit` with each object of the document and its path.
fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(path, map);
            for (key, child) in map {
                // An example is data, not schema.
                if key != "example" && key != "examples" {
                    walk(child, &format!("{path}.{key}"), visit);
                }
            }
        }
        Value::Array(items) => {
            for (i, child) in items.iter().enumerate() {
                walk(child, &format!("{path}[{i}]"), visit);
            }
        }
        _ => {}
    }
}

/// Calls `visit` with each schema object: those of the components, and those written in place.
///
/// The path starts with the operation's name, or with `components`.
fn walk_schemas(spec: &Value, mut visit: impl FnMut(&str, &serde_json::Map<String, Value>)) {
    if let Some(components) = spec.get("components") {
        walk(components, "components", &mut visit);
    }
    for operation in operations(spec) {
        let object = Value::Object(operation.object.clone());
        walk(&object, &operation.name(), &mut visit);
    }
}

pub(super) fn any_of(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |path, map| {
        if map.get("anyOf").is_some_and(Value::is_array) {
            out.push(Breach::new(path, "it uses anyOf"));
        }
    });
}

pub(super) fn property_default(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |path, map| {
        let properties = map.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if resolve(spec, property).get("default").is_some() {
                out.push(Breach::new(
                    format!("{path}.{name}"),
                    "the property has a default",
                ));
            }
        }
    });
}

pub(super) fn numeric_bounds(spec: &Value, out: &mut Vec<Breach>) {
    const BOUNDS: [&str; 5] = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ];
    let mut allowed = BTreeSet::new();
    walk_schemas(spec, |path, map| {
        let integer = map
            .get("schema")
            .is_some_and(|s| s.get("type").is_some_and(|t| t == "integer"));
        if map.get("in").is_some_and(|i| i == "query") && integer {
            allowed.insert(format!("{path}.schema"));
        }
        if let Some(bound) = BOUNDS.iter().find(|b| map.contains_key(**b))
            && !(allowed.contains(path) && ["minimum", "maximum"].contains(bound))
        {
            out.push(Breach::new(path, format!("it has `{bound}`")));
        }
    });
}

pub(super) fn closed_object(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |path, map| {
        if map.get("additionalProperties") == Some(&Value::Bool(false)) {
            out.push(Breach::new(path, "it refuses unknown fields"));
        }
    });
}

pub(super) fn response_stays_open(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for (status, response) in operation.responses(spec) {
            let location = format!("{} {status}", operation.name());
            let mut seen = BTreeSet::new();
            for media in response
                .get("content")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|c| c.values())
            {
                let schema = media.get("schema").unwrap_or(&Value::Null);
                open_schema(spec, schema, &location, &mut seen, out);
            }
        }
    }
}

fn open_schema(
    spec: &Value,
    schema: &Value,
    location: &str,
    seen: &mut BTreeSet<String>,
    out: &mut Vec<Breach>,
) {
    const CLOSING: [&str; 6] = [
        "pattern",
        "enum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ];
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str)
        && !seen.insert(reference.to_owned())
    {
        return;
    }
    let target = resolve(spec, schema);
    let text_format =
        target.get("format").is_some() && target.get("type").is_some_and(|t| t == "string");
    let closing = CLOSING.iter().find(|k| target.get(**k).is_some());
    if let Some(key) = closing.copied().or(text_format.then_some("format")) {
        out.push(Breach::new(
            location,
            format!("its response has a schema with `{key}`"),
        ));
    }
    let properties = target.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        open_schema(spec, property, &format!("{location} {name}"), seen, out);
    }
    if let Some(items) = target.get("items") {
        open_schema(spec, items, location, seen, out);
    }
    for branch in ["allOf", "oneOf"] {
        let list = target.get(branch).and_then(Value::as_array);
        for part in list.into_iter().flatten() {
            open_schema(spec, part, location, seen, out);
        }
    }
}

pub(super) fn description_code(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |path, map| {
        let description = map.get("description").and_then(Value::as_str).unwrap_or("");
        let indented = description
            .lines()
            .any(|l| l.starts_with("    ") || l.starts_with('\t'));
        if description.contains("```") || description.contains("~~~") || indented {
            out.push(Breach::new(path, "its description has a code block"));
        }
    });
}

//! Rules on schemas: what the generator turns into a type that refuses, or sends, too much.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Breach;
use crate::normalize::is_omitted;
use crate::spec::{operations, resolve};

/// Calls `visit` with each object of the document and its path.
pub(super) fn walk(
    value: &Value,
    path: &str,
    visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>),
) {
    match value {
        Value::Object(map) => {
            visit(path, map);
            for (key, child) in map {
                // An example is data, not schema; a property may be called so all the same.
                let data = key == "example" || key == "examples";
                if !data || path.ends_with(".properties") {
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
pub(super) fn walk_schemas(
    spec: &Value,
    mut visit: impl FnMut(&str, &serde_json::Map<String, Value>),
) {
    if let Some(components) = spec.get("components") {
        walk(components, "components", &mut visit);
    }
    for operation in operations(spec) {
        let object = Value::Object(operation.object.clone());
        let name = operation.name();
        walk(&object, &name, &mut visit);
        for (i, shared) in operation.shared.iter().enumerate() {
            walk(shared, &format!("{name}.path.parameters[{i}]"), &mut visit);
        }
    }
}

pub(super) fn dead_reference(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |path, map| {
        let Some(reference) = map.get("$ref").and_then(Value::as_str) else {
            return;
        };
        let target = reference.strip_prefix('#').and_then(|p| spec.pointer(p));
        // The body of a named response is left out with its schema.
        let is_body = path.starts_with("components.responses.")
            && path.contains(".content.")
            && path.ends_with(".schema");
        let problem = match target {
            None => "leads nowhere",
            Some(target) if is_omitted(target) && !is_body => "leads to what the client leaves out",
            Some(_) => return,
        };
        out.push(Breach::new(path, format!("`{reference}` {problem}")));
    });
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
            if has_default(spec, property, 8) {
                out.push(Breach::new(
                    format!("{path}.{name}"),
                    "the property has a default",
                ));
            }
        }
    });
}

/// Whether a schema has a default, itself or by what it is made of; `depth` ends cycles.
fn has_default(spec: &Value, schema: &Value, depth: u8) -> bool {
    let target = resolve(spec, schema);
    let parts = target.get("allOf").and_then(Value::as_array);
    target.get("default").is_some()
        || depth > 0
            && parts
                .into_iter()
                .flatten()
                .any(|part| has_default(spec, part, depth - 1))
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
        for bound in BOUNDS {
            // A property may be called so; its schema is an object.
            let bounds = map.get(bound).is_some_and(|b| !b.is_object());
            if bounds && !(allowed.contains(path) && ["minimum", "maximum"].contains(&bound)) {
                out.push(Breach::new(path, format!("it has `{bound}`")));
            }
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
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = target.get(key) {
            open_schema(spec, inner, location, seen, out);
        }
    }
    for branch in ["allOf", "oneOf"] {
        let list = target.get(branch).and_then(Value::as_array);
        for part in list.into_iter().flatten() {
            open_schema(spec, part, location, seen, out);
        }
    }
}

pub(super) fn description_code(spec: &Value, out: &mut Vec<Breach>) {
    let mut visit = |path: &str, map: &serde_json::Map<String, Value>| {
        for key in ["description", "summary", "title"] {
            let text = map.get(key).and_then(Value::as_str).unwrap_or("");
            let indented = text
                .lines()
                .any(|l| l.starts_with("    ") || l.starts_with('\t'));
            if text.contains("```") || text.contains("~~~") || indented {
                out.push(Breach::new(path, format!("its {key} has a code block")));
            }
        }
    };
    // The text of info stands over the client.
    if let Some(info) = spec.get("info") {
        walk(info, "info", &mut visit);
    }
    walk_schemas(spec, visit);
}

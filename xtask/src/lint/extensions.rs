//! Rules on our own extensions: error rows, confidence, names for Rust.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Breach;
use super::generator::error_responses;
use super::schemas::{walk, walk_schemas};
use crate::error_table::{self, CONDITIONS};
use crate::spec::operations;

const ROW_KEYS: [&str; 7] = [
    "code",
    "meaning",
    "advice",
    "retryable",
    "tenant",
    "when",
    "x-d1-confidence",
];

pub(super) fn error_rows(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for (status, response) in error_responses(&operation, spec) {
            let location = format!("{} {status}", operation.name());
            let mut any = false;
            for row in error_table::error_rows(response) {
                any = true;
                if let Some(problem) = row_problem(row) {
                    out.push(Breach::new(&location, problem));
                }
            }
            if !any {
                out.push(Breach::new(location, "it has no x-d1-errors"));
            }
        }
    }
}

fn row_problem(row: &Value) -> Option<String> {
    let Some(map) = row.as_object() else {
        return Some("a row is not an object".to_owned());
    };
    if let Some(key) = map.keys().find(|k| !ROW_KEYS.contains(&k.as_str())) {
        return Some(format!("a row has the unknown key `{key}`"));
    }
    if let Some(key) = ["meaning", "advice"]
        .iter()
        .find(|k| !map.get(**k).is_some_and(Value::is_string))
    {
        return Some(format!("a row lacks `{key}`"));
    }
    if map.get("tenant").is_some_and(|t| t != "migrated") {
        return Some("a row's `tenant` is not `migrated`".to_owned());
    }
    // What has another type would be left out without a word.
    for (key, fits) in [
        ("code", Value::is_string as fn(&Value) -> bool),
        ("retryable", Value::is_boolean),
        ("when", is_list_of_text),
    ] {
        if map.get(key).is_some_and(|value| !fits(value)) {
            return Some(format!("a row's `{key}` has the wrong type"));
        }
    }
    error_table::conditions(row)
        .find(|name| !CONDITIONS.iter().any(|(known, _)| known == name))
        .map(|name| format!("a row's `when` names the unknown condition `{name}`"))
}

fn is_list_of_text(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().all(Value::is_string))
}

pub(super) fn confidence(spec: &Value, out: &mut Vec<Breach>) {
    let mut visit = |path: &str, map: &Map<String, Value>| {
        if let Some(level) = map.get("x-d1-confidence")
            && !["sibling", "client", "inferred"].iter().any(|l| level == l)
        {
            out.push(Breach::new(path, format!("x-d1-confidence is {level}")));
        }
    };
    for key in ["info", "servers", "tags"] {
        if let Some(value) = spec.get(key) {
            walk(value, key, &mut visit);
        }
    }
    walk_schemas(spec, visit);
}

pub(super) fn rust_name(spec: &Value, out: &mut Vec<Breach>) {
    const KEY: &str = "x-d1-rust-name";
    walk_schemas(spec, |path, map| {
        // Parameters of components and path items are not renamed: they belong to several operations.
        let shared = path.starts_with("components") || path.contains(".path.parameters[");
        let query = map.get("in").is_some_and(|i| i == "query") && !shared;
        match map.get(KEY).map(Value::as_str) {
            None => {}
            Some(Some(name)) if query && is_snake_case(name) => {}
            Some(_) if query => out.push(Breach::new(path, "its x-d1-rust-name is not snake_case")),
            Some(_) if is_component_property(path) => {}
            Some(_) => out.push(Breach::new(
                path,
                "it is no property of a component and no query parameter, so the name is ignored",
            )),
        }
        let mut seen = BTreeSet::new();
        let properties = map.get("properties").and_then(Value::as_object);
        for (wire, property) in properties.into_iter().flatten() {
            let name = match property.get(KEY).map(Value::as_str) {
                None => snake_case(wire),
                Some(Some(name)) if is_snake_case(name) => name.to_owned(),
                Some(_) => {
                    let problem = "its x-d1-rust-name is not snake_case";
                    out.push(Breach::new(format!("{path}.{wire}"), problem));
                    continue;
                }
            };
            if !seen.insert(name.clone()) {
                out.push(Breach::new(
                    format!("{path}.{wire}"),
                    format!("another property is `{name}` in Rust already"),
                ));
            }
        }
    });
}

/// Whether a path is that of a property right below a component schema.
fn is_component_property(path: &str) -> bool {
    let parts: Vec<_> = path.split('.').collect();
    matches!(parts[..], ["components", "schemas", _, "properties", _])
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `newCardId` as `new_card_id`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

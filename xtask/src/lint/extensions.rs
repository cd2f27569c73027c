//! Rules on our own extensions: error rows, names for Rust.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Breach;
use super::generator::error_responses;
use super::schemas::walk_schemas;
use crate::error_table;
use crate::spec::{join, operations};

pub(super) fn error_rows(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for (status, response) in error_responses(&operation, spec) {
            if error_table::error_rows(response).next().is_none() {
                out.push(Breach::new(
                    operation.response_place(status),
                    "it has no x-d1-errors",
                ));
            }
        }
        for (status, response) in operation.responses(spec) {
            if status.starts_with('2') && response.get("x-d1-errors").is_some() {
                let problem = "it is no error, and has x-d1-errors";
                out.push(Breach::new(operation.response_place(status), problem));
            }
        }
    }
    walk_schemas(spec, |pointer, map| {
        let rows = map.get("x-d1-errors").and_then(Value::as_array);
        let mut meanings = BTreeSet::new();
        for (i, row) in rows.into_iter().flatten().enumerate() {
            let place = join(&join(pointer, "x-d1-errors"), &i.to_string());
            let Some(row) = row.as_object() else {
                continue;
            };
            if let Some(key) = ["meaning", "advice"]
                .iter()
                .find(|k| !row.contains_key(**k))
            {
                out.push(Breach::new(place, format!("a row lacks `{key}`")));
            } else if !meanings.insert(row.get("meaning").map(Value::to_string)) {
                out.push(Breach::new(place, "another row has the same meaning"));
            }
        }
    });
}

pub(super) fn rust_name(spec: &Value, out: &mut Vec<Breach>) {
    const KEY: &str = "x-d1-rust-name";
    walk_schemas(spec, |pointer, map| {
        // Parameters of components and path items are not renamed: they belong to several operations.
        let parts = pointer.split('/').count();
        let own = pointer.starts_with("/paths/") && pointer.contains("/parameters/") && parts == 6;
        let query = map.get("in").is_some_and(|i| i == "query") && own;
        match map.get(KEY).map(Value::as_str) {
            None => {}
            Some(Some(name)) if query && is_snake_case(name) => {}
            Some(_) if query => {
                out.push(Breach::new(
                    join(pointer, KEY),
                    "the name is not snake_case",
                ));
            }
            Some(_) if is_component_property(pointer) => {}
            // Another rule speaks of what is neither a property nor a parameter.
            Some(_) if !map.contains_key("in") && !pointer.contains("/properties/") => {}
            Some(_) => out.push(Breach::new(
                join(pointer, KEY),
                "it is no property of a component and no query parameter, so the name is ignored",
            )),
        }
        let mut seen = BTreeSet::new();
        let properties = map.get("properties").and_then(Value::as_object);
        for (wire, property) in properties.into_iter().flatten() {
            let place = join(&join(pointer, "properties"), wire);
            let name = match property.get(KEY).map(Value::as_str) {
                None => snake_case(wire),
                Some(Some(name)) if is_snake_case(name) => name.to_owned(),
                Some(_) => {
                    out.push(Breach::new(join(&place, KEY), "the name is not snake_case"));
                    continue;
                }
            };
            if !seen.insert(name.clone()) {
                let problem = format!("another property is `{name}` in Rust already");
                out.push(Breach::new(place, problem));
            }
        }
    });
}

/// Whether a place is that of a property right below a component schema.
fn is_component_property(pointer: &str) -> bool {
    let parts: Vec<_> = pointer.split('/').collect();
    matches!(parts[..], ["", "components", "schemas", _, "properties", _])
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

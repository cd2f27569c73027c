//! Rules on the rows of `x-d1-errors` and on what a request body reserves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Breach;
use super::generator::error_responses;
use super::schemas::walk_schemas;
use crate::error_table::{self, CONDITIONS};
use crate::spec::{Operation, join, operations, rust_name};

pub(super) fn error_rows(spec: &Value, out: &mut Vec<Breach>) {
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations(spec) {
        for (status, response) in error_responses(&operation, spec) {
            let place = operation.response_source(spec, status);
            fields
                .entry(place)
                .or_default()
                .extend(body_fields(&operation, spec));
            if error_table::error_rows(response).next().is_none() {
                let problem = "it has no x-d1-errors";
                out.push(Breach::new(operation.response_place(status), problem));
            }
        }
        for (status, response) in operation.responses(spec) {
            if status.starts_with('2') && response.get("x-d1-errors").is_some() {
                let problem = "it is a success response and has x-d1-errors";
                out.push(Breach::new(operation.response_place(status), problem));
            }
        }
    }
    walk_schemas(spec, |pointer, map| {
        let rows = map.get("x-d1-errors").and_then(Value::as_array);
        let mut seen = BTreeSet::new();
        for (i, row) in rows.into_iter().flatten().enumerate() {
            let place = join(&join(pointer, "x-d1-errors"), &i.to_string());
            let breach = is_repeated(row, &mut seen)
                .or_else(|| never_applies(row, fields.get(pointer)))
                .map(|(problem, fix)| Breach::new(place, problem).with_fix(fix));
            out.extend(breach);
        }
    });
}

/// The fields of the request body, by their names in Rust.
fn body_fields(operation: &Operation<'_>, spec: &Value) -> Vec<String> {
    let body = operation.json_body(spec);
    let properties = body
        .and_then(|b| b.get("properties"))
        .and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    properties
        .map(|(wire, property)| rust_name(wire, property))
        .collect()
}

/// What is wrong with a row, and how to fix it.
type Problem = Option<(String, &'static str)>;

/// Whether a row has the meaning or the code of one before it.
fn is_repeated(row: &Value, seen: &mut BTreeSet<String>) -> Problem {
    let text = |key: &str| row.get(key).map(Value::to_string).unwrap_or_default();
    let meaning = row.get("meaning")?;
    let fix = "merge the two rows, or correct what they have in common";
    if !seen.insert(format!("meaning {meaning}")) {
        return Some(("another row has the same meaning".to_owned(), fix));
    }
    let mut when: Vec<&str> = error_table::conditions(row).collect();
    when.sort_unstable();
    let code = row.get("code")?;
    let same = !seen.insert(format!("code {code} {} {when:?}", text("tenant")));
    let problem = format!("another row has the code {code}, with the same `when` and `tenant`");
    same.then_some((problem, fix))
}

/// Why no request meets the conditions of a row; `fields` are those of the bodies that it can answer.
fn never_applies(row: &Value, fields: Option<&BTreeSet<String>>) -> Problem {
    let mut by_field = BTreeMap::new();
    for name in error_table::conditions(row) {
        let (.., field) = CONDITIONS.iter().find(|(known, ..)| *known == name)?;
        if fields.is_some_and(|fields| !fields.contains(*field)) {
            let problem = format!("`{name}` depends on a field that these requests do not have");
            return Some((problem, "remove the condition, or the row"));
        }
        if let Some(other) = by_field.insert(*field, name) {
            let problem = format!("`{other}` and `{name}` are never both true");
            return Some((problem, "remove one of the two"));
        }
    }
    None
}

pub(super) fn reserved(spec: &Value, out: &mut Vec<Breach>) {
    let operations = operations(spec);
    let bodies: Vec<&Value> = operations
        .iter()
        .filter_map(|o| o.json_body(spec))
        .collect();
    walk_schemas(spec, |pointer, map| {
        let properties = map.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let is_body = bodies.iter().any(|body| body.as_object() == Some(map));
            if property.get("x-d1-reserved").is_some() && !is_body {
                let place = join(&join(&join(pointer, "properties"), name), "x-d1-reserved");
                out.push(Breach::new(
                    place,
                    format!("`{name}` is not a property of a request body"),
                ));
            }
        }
    });
}

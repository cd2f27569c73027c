//! Rules on operations: what progenitor panics on, ignores, or gets wrong, and the rows of `x-d1-errors`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::patterns::{is_anchored, keeps_to_its_segment};
use super::{Breaches, objects};
use crate::error_table::{self, CONDITIONS};
use crate::spec::{Operation, entries, join, list, operations, ref_name, resolve, rust_name, text};

pub(super) fn one_success_response(spec: &Value, out: &mut Breaches) {
    for operation in operations(spec) {
        let responses = operation
            .responses(spec)
            .into_iter()
            .map(|(status, _)| status);
        let success: Vec<&str> = responses.filter(|status| status.starts_with('2')).collect();
        if success.len() != 1 {
            let problem = format!("its success responses are: {}", success.join(", "));
            out.add(join(&operation.pointer, "responses"), problem);
        }
    }
}

pub(super) fn one_error_schema(spec: &Value, out: &mut Breaches) {
    for operation in operations(spec) {
        let mut first: Option<Option<&str>> = None;
        for (status, response) in error_responses(&operation, spec) {
            let schema = response.pointer("/content/application~1json/schema");
            let name = schema.and_then(ref_name);
            if name.is_none() || *first.get_or_insert(name) != name {
                let problem =
                    "its error schema is inline, missing, or another than that of its other errors";
                out.add(operation.response_place(status), problem);
            }
        }
    }
}

/// The responses with a 4xx or 5xx status.
fn error_responses<'a>(
    operation: &'a Operation<'_>,
    spec: &'a Value,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let responses = operation.responses(spec).into_iter();
    responses.filter(|(status, _)| status.starts_with(['4', '5']))
}

pub(super) fn path_parameters(spec: &Value, out: &mut Breaches) {
    for operation in operations(spec) {
        let named = operation.path.split('{').skip(1);
        let named: BTreeSet<&str> = named.filter_map(|part| part.split('}').next()).collect();
        let mut given = BTreeSet::new();
        let parameters = operation.located_parameters(spec).into_iter();
        for (place, parameter) in
            parameters.filter(|(_, parameter)| text(parameter, "in") == "path")
        {
            let name = text(parameter, "name");
            given.insert(name);
            let schema = resolve(spec, &parameter["schema"]);
            let problem = match schema.get("pattern").and_then(Value::as_str) {
                _ if !named.contains(name) => "is not in the path",
                None => "has no pattern: `..` would name another path",
                // Another rule reports a pattern that is not anchored.
                Some(pattern) if is_anchored(pattern) && !keeps_to_its_segment(pattern) => {
                    "has a pattern that matches `.`, `/`, `\\` or an empty text"
                }
                Some(_) => continue,
            };
            out.add(place, format!("the path parameter {name} {problem}"));
        }
        if let Some(name) = named.difference(&given).next() {
            let problem = format!("the path has {{{name}}}, but no path parameter has that name");
            out.add(operation.pointer.clone(), problem);
        }
    }
}

pub(super) fn error_rows(spec: &Value, out: &mut Breaches) {
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations(spec) {
        for (status, response) in error_responses(&operation, spec) {
            let body = operation.json_body(spec).unwrap_or(&Value::Null);
            let body =
                entries(body, "properties").map(|(wire, property)| rust_name(wire, property));
            fields
                .entry(operation.response_source(spec, status))
                .or_default()
                .extend(body);
            if list(response, "x-d1-errors").is_empty() {
                out.add(operation.response_place(status), "it has no x-d1-errors");
            }
        }
        for (status, response) in operation.responses(spec) {
            if status.starts_with('2') && response.get("x-d1-errors").is_some() {
                let problem = "it is a success response and has x-d1-errors";
                out.add(operation.response_place(status), problem);
            }
        }
    }
    objects(spec, |pointer, object| {
        let mut seen = BTreeSet::new();
        for (i, row) in list(object, "x-d1-errors").iter().enumerate() {
            let problem =
                is_repeated(row, &mut seen).or_else(|| never_applies(row, fields.get(pointer)));
            if let Some((problem, fix)) = problem {
                out.add_with_fix(format!("{pointer}/x-d1-errors/{i}"), problem, fix);
            }
        }
    });
}

/// What is wrong with a row, and how to fix it.
type Problem = Option<(String, &'static str)>;

/// Whether a row has the meaning or the code of one before it.
fn is_repeated(row: &Value, seen: &mut BTreeSet<String>) -> Problem {
    let meaning = row.get("meaning")?;
    let fix = "merge the two rows, or correct what they have in common";
    if !seen.insert(format!("meaning {meaning}")) {
        return Some(("another row has the same meaning".to_owned(), fix));
    }
    let mut when: Vec<&str> = error_table::conditions(row).collect();
    when.sort_unstable();
    let code = row.get("code")?;
    let is_same = !seen.insert(format!("code {code} {} {when:?}", text(row, "tenant")));
    let problem = format!("another row has the code {code}, with the same `when` and `tenant`");
    is_same.then_some((problem, fix))
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

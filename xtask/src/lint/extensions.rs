//! Rules on our own extensions: error rows and confidence.

use serde_json::Value;

use super::Breach;
use super::generator::error_responses;
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
    let map = row.as_object()?;
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
    error_table::conditions(row)
        .find(|name| !CONDITIONS.iter().any(|(known, _)| known == name))
        .map(|name| format!("a row's `when` names the unknown condition `{name}`"))
}

pub(super) fn confidence(spec: &Value, out: &mut Vec<Breach>) {
    visit(spec, "", out);
}

fn visit(value: &Value, path: &str, out: &mut Vec<Breach>) {
    match value {
        Value::Object(map) => {
            if let Some(level) = map.get("x-d1-confidence")
                && !["sibling", "client", "inferred"].iter().any(|l| level == l)
            {
                out.push(Breach::new(
                    path.trim_start_matches('.'),
                    format!("x-d1-confidence is {level}"),
                ));
            }
            for (key, child) in map {
                visit(child, &format!("{path}.{key}"), out);
            }
        }
        Value::Array(items) => items.iter().for_each(|child| visit(child, path, out)),
        _ => {}
    }
}

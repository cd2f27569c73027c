//! Rules on operations: what progenitor panics on, ignores, or gets wrong.

use serde_json::Value;

use super::Breach;
use crate::spec::{METHODS, Operation, operations, path_items, ref_name, resolve};

pub(super) fn openapi_version(spec: &Value, out: &mut Vec<Breach>) {
    let version = spec.get("openapi").and_then(Value::as_str).unwrap_or("");
    if !version.starts_with("3.0.") {
        out.push(Breach::new(
            "openapi",
            format!("the version is `{version}`"),
        ));
    }
}

pub(super) fn info_version_ascii(spec: &Value, out: &mut Vec<Breach>) {
    let version = spec.pointer("/info/version").and_then(Value::as_str);
    if !version.is_some_and(|v| !v.is_empty() && v.chars().all(|c| c.is_ascii_graphic())) {
        out.push(Breach::new(
            "info.version",
            "it is missing, or has characters that a header cannot carry",
        ));
    }
}

pub(super) fn server_without_path(spec: &Value, out: &mut Vec<Breach>) {
    let servers = spec.get("servers").and_then(Value::as_array);
    for (i, server) in servers.into_iter().flatten().enumerate() {
        let url = server.get("url").and_then(Value::as_str).unwrap_or("");
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if rest.contains('/') {
            out.push(Breach::new(
                format!("servers[{i}]"),
                format!("`{url}` has a path, which the generated client drops"),
            ));
        }
    }
}

pub(super) fn operation_id(spec: &Value, out: &mut Vec<Breach>) {
    let mut seen = std::collections::BTreeSet::new();
    for operation in operations(spec) {
        let id = operation.object.get("operationId").and_then(Value::as_str);
        let camel = |id: &str| {
            id.starts_with(|c: char| c.is_ascii_lowercase())
                && id.chars().all(|c| c.is_ascii_alphanumeric())
        };
        match id {
            Some(id) if !camel(id) => {
                out.push(Breach::new(
                    operation.name(),
                    "its operationId is not camelCase",
                ));
            }
            Some(id) if !seen.insert(id) => {
                out.push(Breach::new(
                    operation.name(),
                    "its operationId stands twice",
                ));
            }
            Some(_) => {}
            None => out.push(Breach::new(operation.name(), "it has no operationId")),
        }
    }
}

pub(super) fn ignored_key(spec: &Value, out: &mut Vec<Breach>) {
    for (path, item) in path_items(spec) {
        for key in item.keys() {
            let known = METHODS.contains(&key.as_str())
                || ["parameters", "summary", "description"].contains(&key.as_str());
            if !known && !key.starts_with("x-") {
                out.push(Breach::new(path, format!("it has `{key}`")));
            }
        }
    }
    for operation in operations(spec) {
        for key in ["servers", "deprecated", "callbacks"] {
            if operation.object.contains_key(key) {
                out.push(Breach::new(operation.name(), format!("it has `{key}`")));
            }
        }
        for parameter in operation.parameters(spec) {
            if parameter.get("in").is_some_and(|i| i == "cookie") {
                out.push(Breach::new(operation.name(), "it has a cookie parameter"));
            }
        }
        for (status, _) in operation.responses(spec) {
            if status.starts_with(['1', '3']) {
                out.push(Breach::new(
                    operation.name(),
                    format!("it has a response for `{status}`"),
                ));
            }
        }
    }
}

pub(super) fn one_success_response(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        let responses = operation.responses(spec);
        let success: Vec<_> = responses
            .iter()
            .filter(|(status, _)| status.starts_with('2') || *status == "default")
            .map(|(status, _)| *status)
            .collect();
        if success.len() != 1 || success.contains(&"default") {
            out.push(Breach::new(
                operation.name(),
                format!("its success responses are: {}", success.join(", ")),
            ));
        }
        for (status, response) in responses {
            let kinds = response.get("content").and_then(Value::as_object);
            if kinds.is_some_and(|c| c.len() > 1) {
                out.push(Breach::new(
                    format!("{} {status}", operation.name()),
                    "it has bodies of several media types",
                ));
            }
        }
    }
}

pub(super) fn one_error_schema(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        let mut first: Option<Option<&str>> = None;
        for (status, response) in error_responses(&operation, spec) {
            let schema = response.pointer("/content/application~1json/schema");
            let name = schema.and_then(ref_name);
            if name.is_none() || *first.get_or_insert(name) != name {
                out.push(Breach::new(
                    format!("{} {status}", operation.name()),
                    "its error schema is inline, missing, or another than that of its other errors",
                ));
            }
        }
    }
}

/// The responses with a 4xx or 5xx status.
pub(super) fn error_responses<'a>(
    operation: &'a Operation<'_>,
    spec: &'a Value,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    operation
        .responses(spec)
        .into_iter()
        .filter(|(status, _)| status.starts_with(['4', '5']))
}

pub(super) fn request_body_required(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        let body = operation.request_body(spec);
        if body.is_some_and(|b| b.get("required") != Some(&Value::Bool(true))) {
            out.push(Breach::new(
                operation.name(),
                "its requestBody is not required",
            ));
        }
    }
}

pub(super) fn one_request_media_type(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        let Some(body) = operation.request_body(spec) else {
            continue;
        };
        let kinds = body.get("content").and_then(Value::as_object);
        let with_schema = |kind: &Value| kind.get("schema").is_some_and(Value::is_object);
        if !kinds.is_some_and(|k| k.len() == 1 && k.values().all(with_schema)) {
            out.push(Breach::new(
                operation.name(),
                "its requestBody has no schema, or bodies of several media types",
            ));
        }
    }
}

pub(super) fn path_parameter_pattern(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for parameter in operation.parameters(spec) {
            if parameter.get("in").is_none_or(|i| i != "path") {
                continue;
            }
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or("?");
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            let pattern = resolve(spec, schema).get("pattern").and_then(Value::as_str);
            let problem = match (ref_name(schema), pattern) {
                (None, _) => "has no named schema",
                (Some(_), None) => "has no pattern: `..` would leave its segment",
                (Some(_), Some(p)) if !keeps_to_its_segment(p) => {
                    "has a pattern that is not anchored, or lets `.`, `/` or `\\` through"
                }
                (Some(_), Some(_)) => continue,
            };
            out.push(Breach::new(
                format!("{} {name}", operation.name()),
                format!("the path parameter {problem}"),
            ));
        }
    }
}

/// Whether a pattern is one character class, repeated, of characters that are safe in a segment.
fn keeps_to_its_segment(pattern: &str) -> bool {
    let inner = pattern
        .strip_prefix("^[")
        .and_then(|p| p.strip_suffix('$'))
        .and_then(|p| p.split_once(']'));
    inner.is_some_and(|(class, repeat)| is_safe_class(class.as_bytes()) && is_repeat(repeat))
}

/// Whether a character class holds letters, digits, `_` and `-` alone.
///
/// A range from one kind of character to another is refused: `A-z` has `\\` in it, and `--z` has
/// `.` and `/`.
fn is_safe_class(mut class: &[u8]) -> bool {
    let same_kind = |a: u8, b: u8| {
        [
            u8::is_ascii_lowercase,
            u8::is_ascii_uppercase,
            u8::is_ascii_digit,
        ]
        .iter()
        .any(|kind| kind(&a) && kind(&b))
    };
    if class.is_empty() {
        return false;
    }
    loop {
        class = match class {
            [] => return true,
            [first, b'-', last, rest @ ..] if same_kind(*first, *last) => rest,
            [_, b'-', _, ..] => return false,
            [c, rest @ ..] if c.is_ascii_alphanumeric() || [b'_', b'-'].contains(c) => rest,
            _ => return false,
        };
    }
}

/// Whether a pattern's end is `{n}`, `{n,}` or `{n,m}` with an `n` above zero, and nothing else.
fn is_repeat(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        return false;
    };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    least.parse::<u32>().is_ok_and(|n| n > 0) && (most.is_empty() || most.parse::<u32>().is_ok())
}

pub(super) fn query_parameter_inline(spec: &Value, out: &mut Vec<Breach>) {
    const NAMED: [&str; 7] = [
        "$ref",
        "pattern",
        "minLength",
        "maxLength",
        "enum",
        "oneOf",
        "allOf",
    ];
    for operation in operations(spec) {
        for parameter in operation.parameters(spec) {
            if parameter.get("in").is_none_or(|i| i != "query") {
                continue;
            }
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or("?");
            let schema = parameter.get("schema").and_then(Value::as_object);
            if let Some(key) = NAMED
                .iter()
                .find(|k| schema.is_some_and(|s| s.contains_key(**k)))
            {
                out.push(Breach::new(
                    format!("{} {name}", operation.name()),
                    format!("the query parameter's schema has `{key}`"),
                ));
            }
        }
    }
}

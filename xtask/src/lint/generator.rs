//! Rules on operations: what progenitor panics on, ignores, or gets wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Breach;
use super::keys::ENVIRONMENTS;
use super::patterns::{is_anchored, keeps_to_its_segment};
use crate::spec::{Operation, join, operations, ref_name, resolve};

pub(super) fn openapi_version(spec: &Value, out: &mut Vec<Breach>) {
    let version = spec.get("openapi").and_then(Value::as_str).unwrap_or("");
    if !version.starts_with("3.0.") {
        out.push(Breach::new(
            "/openapi",
            format!("the version is `{version}`"),
        ));
    }
}

pub(super) fn info_version_ascii(spec: &Value, out: &mut Vec<Breach>) {
    let version = spec.pointer("/info/version").and_then(Value::as_str);
    if !version.is_some_and(|v| !v.is_empty() && v.chars().all(|c| c.is_ascii_graphic())) {
        out.push(Breach::new(
            "/info/version",
            "it is missing, or has characters that a header cannot carry",
        ));
    }
}

pub(super) fn servers(spec: &Value, out: &mut Vec<Breach>) {
    let servers = spec.get("servers").and_then(Value::as_array);
    let mut hosts = BTreeSet::new();
    let mut missing: Vec<&str> = ENVIRONMENTS.to_vec();
    for (i, server) in servers.into_iter().flatten().enumerate() {
        let place = format!("/servers/{i}");
        let url = server.get("url").and_then(Value::as_str).unwrap_or("");
        let host = url.strip_prefix("https://").unwrap_or("");
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            let problem = format!("`{url}` is not https:// and a host in lower case");
            out.push(Breach::new(join(&place, "url"), problem));
        } else if !hosts.insert(host) {
            let problem = format!("another server has the url `{url}`");
            out.push(Breach::new(join(&place, "url"), problem));
        }
        let environment = server.get("x-d1-environment").and_then(Value::as_str);
        match missing.iter().position(|name| Some(*name) == environment) {
            Some(i) => drop(missing.remove(i)),
            None if environment.is_some_and(|name| ENVIRONMENTS.contains(&name)) => {
                let place = join(&place, "x-d1-environment");
                out.push(Breach::new(place, "another server is of this environment"));
            }
            None => return, // Another rule reports it.
        }
    }
    if out.is_empty() && !missing.is_empty() {
        let problem = format!("no server is of the environment {}", missing.join(" or "));
        out.push(Breach::new("/servers", problem));
    }
}

pub(super) fn response_status(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for (status, _) in operation.responses(spec) {
            let known = match status.as_bytes() {
                [b'2', b'X', b'X'] => true,
                [b'2' | b'4' | b'5', rest @ ..] => {
                    rest.len() == 2 && rest.iter().all(u8::is_ascii_digit)
                }
                // Another rule reports that.
                _ => status == "default",
            };
            if !known {
                let place = operation.response_place(status);
                out.push(Breach::new(
                    place,
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
            let place = join(&operation.pointer, "responses");
            let problem = format!("its success responses are: {}", success.join(", "));
            out.push(Breach::new(place, problem));
        }
        for (status, response) in responses {
            let kinds = response.get("content").and_then(Value::as_object);
            if kinds.is_some_and(|c| c.len() > 1) {
                out.push(Breach::new(
                    operation.response_place(status),
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
                    operation.response_place(status),
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
            let place = join(&operation.pointer, "requestBody");
            out.push(Breach::new(place, "its requestBody is not required"));
        }
        if body.is_some() && operation.method == "get" {
            let place = join(&operation.pointer, "requestBody");
            let fix = "use another method, or remove the requestBody";
            out.push(Breach::new(place, "a GET request has no body").with_fix(fix));
        }
    }
}

pub(super) fn one_request_media_type(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        let Some(body) = operation.request_body(spec) else {
            continue;
        };
        let kinds = body.get("content").and_then(Value::as_object);
        if kinds.is_some_and(|kinds| kinds.len() != 1) {
            out.push(Breach::new(
                join(&operation.pointer, "requestBody"),
                "its requestBody has no media type, or several",
            ));
        }
    }
}

pub(super) fn path_parameter_pattern(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for (place, parameter) in operation.located_parameters(spec) {
            if parameter.get("in").is_none_or(|i| i != "path") {
                continue;
            }
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or("?");
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            let pattern = resolve(spec, schema).get("pattern").and_then(Value::as_str);
            let problem = match (ref_name(schema), pattern) {
                (None, _) => "has no named schema",
                (Some(_), None) => "has no pattern: `..` would name another path",
                // Another rule reports a pattern that is not anchored.
                (Some(_), Some(p)) if is_anchored(p) && !keeps_to_its_segment(p) => {
                    "has a pattern that matches `.`, `/`, `\\` or an empty text"
                }
                (Some(_), Some(_)) => continue,
            };
            out.push(Breach::new(
                place,
                format!("the path parameter {name} {problem}"),
            ));
        }
    }
}

pub(super) fn path_template(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        let path = operation.path;
        let odd = |c: char| c.is_whitespace() || "?#%\\".contains(c);
        if !path.starts_with('/')
            || path.ends_with('/')
            || path.contains("//")
            || path.contains(odd)
        {
            let fix = "begin it with `/`, do not end with `/`, and use no blank, `//`, `?`, `#`, `%` or `\\`";
            let problem = format!("`{path}` is not a path");
            out.push(Breach::new(join("/paths", path), problem).with_fix(fix));
        }
        let named = path.split('{').skip(1);
        let named: BTreeSet<&str> = named.filter_map(|part| part.split('}').next()).collect();
        let mut given = BTreeSet::new();
        for (place, parameter) in operation.located_parameters(spec) {
            if parameter.get("in").is_none_or(|i| i != "path") {
                continue;
            }
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or("?");
            given.insert(name);
            if !named.contains(name) || parameter.get("required") != Some(&Value::Bool(true)) {
                let problem =
                    format!("the path parameter {name} is not in the path, or not required");
                out.push(Breach::new(place, problem));
            }
        }
        if let Some(name) = named.difference(&given).next() {
            let problem = format!("the path has {{{name}}}, but no path parameter has that name");
            out.push(Breach::new(operation.pointer.clone(), problem));
        }
    }
}

pub(super) fn query_parameter_inline(spec: &Value, out: &mut Vec<Breach>) {
    const NAMED: [&str; 5] = ["$ref", "pattern", "minLength", "maxLength", "allOf"];
    for operation in operations(spec) {
        for (place, parameter) in operation.located_parameters(spec) {
            if parameter.get("in").is_none_or(|i| i != "query") {
                continue;
            }
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or("?");
            let schema = parameter.get("schema").and_then(Value::as_object);
            if let Some(key) = NAMED
                .iter()
                .find(|k| schema.is_some_and(|s| s.contains_key(**k)))
            {
                let problem = format!("the schema of the query parameter {name} has `{key}`");
                out.push(Breach::new(join(&place, "schema"), problem));
            }
        }
    }
}

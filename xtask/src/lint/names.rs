//! Rules on names: each is different in Rust, and each that is used is declared.

use std::collections::BTreeMap;

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use serde_json::Value;

use super::{Breaches, objects};
use crate::spec::{Operation, entries, join, list, operations, resolve, rust_name, schemas, text};

pub(super) fn unique_names(spec: &Value, out: &mut Breaches) {
    let mut hosts = Names::default();
    for (i, server) in list(spec, "servers").iter().enumerate() {
        let url = text(server, "url");
        hosts.add(format!("/servers/{i}/url"), url, url.to_owned(), out);
    }
    let mut methods = Names::default();
    for operation in operations(spec) {
        let id = operation.name();
        let place = join(&operation.pointer, "operationId");
        methods.add(place, &id, id.to_snake_case(), out);
        parameter_names(spec, &operation, out);
    }
    let mut types = Names::default();
    for (name, _) in schemas(spec) {
        let place = join("/components/schemas", name);
        types.add(place, name, name.to_ascii_lowercase(), out);
    }
    objects(spec, |pointer, object| {
        let mut fields = Names::default();
        if object.get("additionalProperties").is_some() {
            fields.take("extra", "the field for unknown fields");
        }
        for (wire, property) in entries(object, "properties") {
            let place = join(&join(pointer, "properties"), wire);
            fields.add(place, wire, rust_name(wire, property), out);
        }
        let mut values = Names::default();
        values.take("Unknown", "any other value");
        let place = join(pointer, "x-extensible-enum");
        for (place, value) in names_in(object.get("x-extensible-enum"), &place) {
            values.add(place, value, value.to_upper_camel_case(), out);
        }
    });
}

/// Each parameter has a name of its own, also where OpenAPI lets an operation replace one of its path.
fn parameter_names(spec: &Value, operation: &Operation<'_>, out: &mut Breaches) {
    let mut names = Names::default();
    if operation.request_body(spec).is_some() {
        names.take("body", "the request body");
    }
    let path = join("/paths", operation.path);
    for owner in [&operation.pointer, &path] {
        let owner = join(owner, "parameters");
        let parameters = spec.pointer(&owner).and_then(Value::as_array);
        for (i, parameter) in parameters.into_iter().flatten().enumerate() {
            let parameter = resolve(spec, parameter);
            let name = text(parameter, "name");
            let place = join(&owner, &i.to_string());
            names.add(place, name, rust_name(name, parameter), out);
        }
    }
}

/// The names in Rust that are taken, and what has each of them.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn take(&mut self, in_rust: &str, what: &str) {
        self.0.insert(in_rust.to_owned(), what.to_owned());
    }

    fn add(&mut self, place: String, name: &str, in_rust: String, out: &mut Breaches) {
        if name.is_empty() {
            return; // Another rule reports it.
        }
        let name = format!("`{name}`");
        match self.0.get(&in_rust) {
            None => drop(self.0.insert(in_rust, name)),
            Some(other) if *other == name => out.add(place, format!("{name} is declared twice")),
            Some(other) => {
                out.add(
                    place,
                    format!("{name} and {other} have the same name in Rust"),
                );
            }
        }
    }
}

pub(super) fn declared_names(spec: &Value, out: &mut Breaches) {
    let tags = list(spec, "tags").iter();
    let tags: Vec<&str> = tags.map(|tag| text(tag, "name")).collect();
    let schemes = entries(&spec["components"], "securitySchemes");
    let schemes: Vec<&str> = schemes.map(|(name, _)| name.as_str()).collect();
    let codes = &spec["components"]["schemas"]["ReasonCode"];
    let codes = list(codes, "x-extensible-enum").iter();
    let codes: Vec<&str> = codes.filter_map(Value::as_str).collect();
    let of_operations = [
        ("tags", tags, "tags"),
        ("security", schemes.clone(), SCHEMES),
        (
            "x-d1-reason-codes",
            codes,
            "x-extensible-enum of ReasonCode",
        ),
    ];
    undeclared(spec.get("security"), "/security", &schemes, SCHEMES, out);
    for operation in operations(spec) {
        for (key, declared, home) in &of_operations {
            let place = join(&operation.pointer, key);
            undeclared(operation.object.get(*key), &place, declared, home, out);
        }
    }
    declared_properties(spec, out);
    described_values(spec, out);
    missing_reason_codes(spec, out);
    missing_claims(spec, out);
}

const SCHEMES: &str = "components.securitySchemes";

/// The properties that a schema requires, or that the client sends as claims.
fn declared_properties(spec: &Value, out: &mut Breaches) {
    objects(spec, |pointer, object| {
        let properties = entries(object, "properties");
        let properties: Vec<&str> = properties.map(|(key, _)| key.as_str()).collect();
        for key in ["required", "x-d1-sent-claims"] {
            if object.get("properties").is_some() {
                let place = join(pointer, key);
                undeclared(object.get(key), &place, &properties, "properties", out);
            }
        }
    });
}

/// Reports the names in `used` that are not among the declared ones.
fn undeclared(
    used: Option<&Value>,
    place: &str,
    declared: &[&str],
    home: &str,
    out: &mut Breaches,
) {
    for (place, name) in names_in(used, place) {
        if !declared.contains(&name) {
            out.add(place, format!("`{name}` is not declared in {home}"));
        }
    }
}

/// A value that is described must be among those that are listed.
fn described_values(spec: &Value, out: &mut Breaches) {
    const KEY: &str = "x-d1-value-descriptions";
    objects(spec, |pointer, object| {
        let listed = list(object, "x-extensible-enum");
        for (value, _) in entries(object, KEY) {
            if !listed.iter().any(|known| known == value) {
                let problem = format!("`{value}` is not declared in x-extensible-enum");
                out.add(join(&join(pointer, KEY), value), problem);
            }
        }
    });
}

/// The reason code that is sent by default must be among those that an operation lists.
fn missing_reason_codes(spec: &Value, out: &mut Breaches) {
    let schema = &spec["components"]["schemas"]["ReasonCode"];
    let declared = list(schema, "x-extensible-enum");
    for operation in operations(spec) {
        let codes = list(operation.object, "x-d1-reason-codes");
        // A code that is not declared is reported by itself, and so is a list without any.
        if codes.is_empty() || !codes.iter().all(|code| declared.contains(code)) {
            continue;
        }
        let place = join(&operation.pointer, "x-d1-reason-codes");
        let body = operation.json_body(spec).unwrap_or(&Value::Null);
        if body.pointer("/properties/reasonCode").is_none() {
            let problem = "the body of this request has no reasonCode";
            out.add_with_fix(place, problem, "remove it, or add the property");
        } else if let Some(default) = schema.get("x-d1-default")
            && declared.contains(default)
            && !codes.contains(default)
        {
            let problem = format!("it lacks {default}, which is the default");
            let fix = "add it, or correct x-d1-default of ReasonCode";
            out.add_with_fix(place, problem, fix);
        }
    }
}

/// The claims that D1 requires must be among those that are sent.
fn missing_claims(spec: &Value, out: &mut Breaches) {
    objects(spec, |pointer, object| {
        let sent = list(object, "x-d1-sent-claims");
        let required = list(object, "required").iter();
        for name in required.filter(|name| !sent.is_empty() && !sent.contains(name)) {
            let problem = format!("it lacks {name}, which is required");
            let fix = "add it, or remove it from `required`";
            out.add_with_fix(join(pointer, "x-d1-sent-claims"), problem, fix);
        }
    });
}

/// The names that a list has, also as keys of its objects, each with its place.
fn names_in<'v>(value: Option<&'v Value>, place: &str) -> Vec<(String, &'v str)> {
    let mut names = Vec::new();
    let items = value.and_then(Value::as_array).into_iter().flatten();
    for (i, item) in items.enumerate() {
        let place = join(place, &i.to_string());
        let keys = item.as_object().into_iter().flatten();
        names.extend(keys.map(|(key, _)| (join(&place, key), key.as_str())));
        names.extend(item.as_str().map(|name| (place, name)));
    }
    names
}

//! Rules on names: each has a name of its own in Rust, and each that is used is declared.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Breach;
use super::schemas::walk_schemas;
use crate::spec::{Operation, join, operations, resolve, rust_name, snake_case, variant};

/// The methods that the generated client has of its own.
const CLIENT_METHODS: [&str; 6] = [
    "new",
    "new_with_client",
    "api_version",
    "baseurl",
    "client",
    "inner",
];

/// The names of Rust's prelude that generated code may use.
const PRELUDE: [&str; 9] = [
    "Box", "Err", "None", "Ok", "Option", "Result", "Some", "String", "Vec",
];

pub(super) fn operation_id(spec: &Value, out: &mut Vec<Breach>) {
    let mut names = Names::default();
    for operation in operations(spec) {
        let id = operation.object.get("operationId").and_then(Value::as_str);
        let place = join(&operation.pointer, "operationId");
        match id {
            None => {} // Another rule reports it.
            Some(id) if !is_camel_case(id) => {
                out.push(Breach::new(
                    place,
                    "its operationId is not in camelCase, or is a keyword of Rust",
                ));
            }
            Some(id) if CLIENT_METHODS.contains(&snake_case(id).as_str()) => {
                let problem = format!("`{id}` is a method of every generated client");
                out.push(Breach::new(place, problem));
            }
            Some(id) => names.add(place, id, snake_case(id), out),
        }
    }
}

pub(super) fn schema_names(spec: &Value, out: &mut Vec<Breach>) {
    let schemas = spec.pointer("/components/schemas");
    let mut names = Names::default();
    for name in schemas
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
    {
        let place = join("/components/schemas", name);
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !is_identifier(name) {
            let problem = format!("`{name}` is not in UpperCamelCase, or is a keyword of Rust");
            out.push(Breach::new(place, problem));
        } else if PRELUDE.contains(&name.as_str()) {
            let problem = format!("`{name}` is a name that Rust code uses without a path");
            out.push(Breach::new(place, problem));
        } else {
            names.add(place, name, name.to_ascii_lowercase(), out);
        }
    }
}

pub(super) fn parameter_names(spec: &Value, out: &mut Vec<Breach>) {
    // What OpenAPI ignores as a parameter: the client sets these headers itself.
    const OWN: [&str; 3] = ["accept", "authorization", "content-type"];
    for operation in operations(spec) {
        let mut names = Names::default();
        if operation.request_body(spec).is_some() {
            names
                .0
                .insert("body".to_owned(), "the request body".to_owned());
        }
        for (place, parameter) in written_parameters(&operation) {
            let parameter = resolve(spec, parameter);
            let Some(name) = parameter.get("name").and_then(Value::as_str) else {
                continue; // Another rule reports it.
            };
            let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let is_header = parameter.get("in").is_some_and(|i| i == "header");
            if !name.chars().all(token) {
                let problem =
                    format!("`{name}` is not a name of letters, digits, `-`, `_` and `.`");
                out.push(Breach::new(place, problem));
            } else if is_header && OWN.contains(&name.to_ascii_lowercase().as_str()) {
                let problem = format!("the client sets the header {name} itself");
                out.push(Breach::new(place, problem).with_fix("remove the parameter"));
            } else {
                names.add(place, name, rust_name(name, parameter), out);
            }
        }
    }
}

/// The parameters of an operation and those of its path as they are written, each with its place.
fn written_parameters<'a>(operation: &Operation<'a>) -> impl Iterator<Item = (String, &'a Value)> {
    let own = operation.object.get("parameters").and_then(Value::as_array);
    let own = own.map_or(&[][..], Vec::as_slice);
    let lists = [
        (operation.pointer.clone(), own),
        (join("/paths", operation.path), operation.shared),
    ];
    lists.into_iter().flat_map(|(owner, list)| {
        let list = list.iter().enumerate();
        list.map(move |(i, p)| (join(&join(&owner, "parameters"), &i.to_string()), p))
    })
}

pub(super) fn property_names(spec: &Value, out: &mut Vec<Breach>) {
    const KEY: &str = "x-d1-rust-name";
    walk_schemas(spec, |pointer, map| {
        // Parameters of components and path items are not renamed: they belong to several operations.
        let parts = pointer.split('/').count();
        let own = pointer.starts_with("/paths/") && pointer.contains("/parameters/") && parts == 6;
        let query = map.get("in").is_some_and(|i| i == "query") && own;
        // Another rule reports the key where the object is neither a property nor a parameter.
        let misplaced = !query
            && !is_component_property(pointer)
            && (map.contains_key("in") || pointer.contains("/properties/"));
        match map.get(KEY).and_then(Value::as_str) {
            Some(_) if misplaced => out.push(Breach::new(
                join(pointer, KEY),
                "it is neither a property of a component nor a query parameter, so the name is ignored",
            )),
            Some(name) if !is_snake_case(name) => out.push(Breach::new(
                join(pointer, KEY),
                "the name is not snake_case, or is a keyword of Rust",
            )),
            Some(_) | None => {}
        }
        let mut names = Names::default();
        if map.contains_key("additionalProperties") {
            names.0.insert(
                "extra".to_owned(),
                "the field for unknown fields".to_owned(),
            );
        }
        let properties = map.get("properties").and_then(Value::as_object);
        for (wire, property) in properties.into_iter().flatten() {
            let place = join(&join(pointer, "properties"), wire);
            names.add(place, wire, rust_name(wire, property), out);
        }
    });
}

pub(super) fn value_names(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        let list = map.get("x-extensible-enum");
        let mut names = Names::default();
        names
            .0
            .insert("Unknown".to_owned(), "any other value".to_owned());
        for (place, value) in names_in(list, &join(pointer, "x-extensible-enum")) {
            let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if !value.starts_with(|c: char| c.is_ascii_uppercase()) || !value.chars().all(upper) {
                let problem = format!("`{value}` is not in upper case");
                out.push(Breach::new(place, problem));
            } else {
                names.add(place, value, variant(value), out);
            }
        }
    });
}

/// The names in Rust that are taken, and what has each of them.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn add(&mut self, place: String, name: &str, in_rust: String, out: &mut Vec<Breach>) {
        let Some(other) = self.0.get(&in_rust) else {
            self.0.insert(in_rust, format!("`{name}`"));
            return;
        };
        let problem = match *other == format!("`{name}`") {
            true => format!("`{name}` is declared twice"),
            false => format!("`{name}` and {other} have the same name in Rust"),
        };
        out.push(Breach::new(place, problem));
    }
}

pub(super) fn declared_names(spec: &Value, out: &mut Vec<Breach>) {
    let mut check = |used: Vec<(String, &str)>, declared: &[&str], home: &str| {
        for (place, name) in used
            .into_iter()
            .filter(|(_, name)| !declared.contains(name))
        {
            let problem = format!("`{name}` is not declared in {home}");
            out.push(Breach::new(place, problem));
        }
    };
    let at = |pointer: &str| names_in(spec.pointer(pointer), pointer);
    let bare = |pointer: &str| -> Vec<&str> { at(pointer).into_iter().map(|(_, n)| n).collect() };
    let tags = spec
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let tags: Vec<&str> = tags.filter_map(|tag| tag.get("name")?.as_str()).collect();
    let schemes = bare("/components/securitySchemes");
    let codes = bare("/components/schemas/ReasonCode/x-extensible-enum");
    check(at("/security"), &schemes, "components.securitySchemes");
    for operation in operations(spec) {
        let of = |key: &str| at(&join(&operation.pointer, key));
        check(of("tags"), &tags, "tags");
        check(of("security"), &schemes, "components.securitySchemes");
        check(
            of("x-d1-reason-codes"),
            &codes,
            "x-extensible-enum of ReasonCode",
        );
    }
    walk_schemas(spec, |pointer, map| {
        let in_key = |key: &str| names_in(map.get(key), &join(pointer, key));
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            let properties: Vec<&str> = properties.keys().map(String::as_str).collect();
            check(in_key("required"), &properties, "properties");
            check(in_key("x-d1-sent-claims"), &properties, "properties");
        }
    });
    missing_names(spec, out);
}

/// What a list of ours lacks: the claims that D1 requires, and the reason code that is sent where none is given.
fn missing_names(spec: &Value, out: &mut Vec<Breach>) {
    let reason_code = |key: &str| spec.pointer("/components/schemas/ReasonCode")?.get(key);
    let declared = reason_code("x-extensible-enum").and_then(Value::as_array);
    let is_declared = |code: &Value| declared.is_some_and(|declared| declared.contains(code));
    let default = reason_code("x-d1-default").filter(|default| is_declared(default));
    for operation in operations(spec) {
        let codes = operation.object.get("x-d1-reason-codes");
        let codes = codes.and_then(Value::as_array);
        // A code that is not declared is reported by itself.
        let Some(codes) = codes.filter(|codes| codes.iter().all(is_declared)) else {
            continue;
        };
        let place = join(&operation.pointer, "x-d1-reason-codes");
        let body = operation.json_body(spec);
        if body.is_none_or(|body| body.pointer("/properties/reasonCode").is_none()) {
            let breach = Breach::new(place, "the body of this request has no reasonCode");
            out.push(breach.with_fix("remove it, or add the property"));
        } else if let Some(default) = default.filter(|default| !codes.contains(default)) {
            let breach = Breach::new(place, format!("it lacks {default}, which is the default"));
            out.push(breach.with_fix("add it, or correct x-d1-default of ReasonCode"));
        }
    }
    walk_schemas(spec, |pointer, map| {
        let list = |key: &str| map.get(key).and_then(Value::as_array);
        let (Some(sent), Some(required)) = (list("x-d1-sent-claims"), list("required")) else {
            return;
        };
        for name in required.iter().filter(|name| !sent.contains(name)) {
            let problem = format!("it lacks {name}, which is required");
            let breach = Breach::new(join(pointer, "x-d1-sent-claims"), problem);
            out.push(breach.with_fix("add it, or remove it from `required`"));
        }
    });
}

/// The names that a list or an object holds, each with its place.
fn names_in<'v>(value: Option<&'v Value>, place: &str) -> Vec<(String, &'v str)> {
    match value {
        Some(Value::Array(items)) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(i, item)| match item.as_str() {
                    Some(name) => vec![(join(place, &i.to_string()), name)],
                    None => names_in(Some(item), &join(place, &i.to_string())),
                })
                .collect()
        }
        Some(Value::Object(map)) => map.keys().map(|k| (join(place, k), k.as_str())).collect(),
        _ => Vec::new(),
    }
}

/// Whether a place is that of a property right below a component schema.
fn is_component_property(pointer: &str) -> bool {
    let parts: Vec<_> = pointer.split('/').collect();
    matches!(parts[..], ["", "components", "schemas", _, "properties", _])
}

fn is_snake_case(name: &str) -> bool {
    is_identifier(name)
        && name == name.to_ascii_lowercase()
        && !name.starts_with('_')
        && !name.ends_with('_')
        && !name.contains("__")
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && is_identifier(name) && !name.contains('_')
}

/// Whether a name is an identifier of ASCII, and no keyword.
fn is_identifier(name: &str) -> bool {
    name.is_ascii() && syn::parse_str::<syn::Ident>(name).is_ok()
}

//! Rules on values: examples, defaults and lists against what the spec itself says of them.

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::Breach;
use super::schemas::{walk, walk_schemas};
use crate::spec::{join, operations, variant};

/// Each value that the spec holds for a schema: its place, its key, and the schema.
fn values(spec: &Value, mut visit: impl FnMut(String, &str, &Value, &Value)) {
    walk_schemas(spec, |pointer, map| {
        // A parameter or a media type has its schema beside the example, a schema is its own.
        let whole = Value::Object(map.clone());
        let schema = map.get("schema").filter(|s| s.is_object());
        let is_schema = is_schema(pointer);
        for key in ["example", "default", "x-d1-default"] {
            if let Some(value) = map.get(key)
                && (schema.is_some() || is_schema)
            {
                visit(join(pointer, key), key, value, schema.unwrap_or(&whole));
            }
        }
    });
}

/// Whether a place is one of a schema, rather than of an object that holds one.
fn is_schema(pointer: &str) -> bool {
    let parts: Vec<&str> = pointer.split('/').collect();
    match parts[..] {
        [.., "schemas" | "properties", _] => true,
        [.., last] => ["schema", "items", "additionalProperties", "not"].contains(&last),
        [] => false,
    }
}

pub(super) fn valid_values(spec: &Value, out: &mut Vec<Breach>) {
    let Some(schemas) = Schemas::of(spec) else {
        return; // Other rules say why there are no schemas to be judged by.
    };
    values(spec, |place, key, value, schema| {
        let Ok(validator) = schemas.compile(schema) else {
            return; // A pattern that is none, a length that is no number.
        };
        if let Err(error) = validator.validate(value) {
            let inner = error.instance_path().to_string();
            let rule = match error.kind().keyword() {
                "enum" => "x-extensible-enum",
                other => other,
            };
            let whose = if inner.is_empty() {
                String::new()
            } else {
                format!(" at {inner}")
            };
            out.push(Breach::new(
                place,
                format!("the {key}{whose} breaks `{rule}` of its own schema"),
            ));
        }
    });
}

/// The schemas as a validator reads them: an open list counts as a closed one.
struct Schemas {
    components: Value,
}

impl Schemas {
    fn of(spec: &Value) -> Option<Self> {
        let mut findings = Vec::new();
        super::schemas::dead_reference(spec, &mut findings);
        super::schemas::cyclic_reference(spec, &mut findings);
        let mut components = spec.get("components").cloned().unwrap_or_default();
        close_lists(&mut components);
        findings.is_empty().then_some(Self { components })
    }

    fn compile(&self, schema: &Value) -> Result<Validator, String> {
        let mut schema = schema.clone();
        close_lists(&mut schema);
        let document = json!({ "allOf": [schema], "components": self.components });
        jsonschema::options()
            .with_draft(Draft::Draft7)
            .build(&document)
            .map_err(|error| error.to_string())
    }
}

fn close_lists(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(close_lists);
            if let Some(list) = map.remove("x-extensible-enum") {
                map.insert("enum".to_owned(), list);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close_lists),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The least and the most of the same thing.
const BOUNDS: [(&str, &str); 3] = [
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minimum", "maximum"),
];

pub(super) fn bounds(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        for (least, most) in BOUNDS {
            let bound = |key: &str| map.get(key).and_then(Value::as_i64);
            if let (Some(low), Some(high)) = (bound(least), bound(most))
                && low > high
            {
                let problem = format!("`{least}` {low} is above `{most}` {high}");
                out.push(Breach::new(join(pointer, least), problem));
            }
        }
    });
}

pub(super) fn open_values(spec: &Value, out: &mut Vec<Breach>) {
    let Some(components) = spec.get("components") else {
        return;
    };
    walk(components, "/components", &mut |pointer, map| {
        let list = map.get("x-extensible-enum").and_then(Value::as_array);
        let values: Vec<&str> = list
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        names_of(&join(pointer, "x-extensible-enum"), &values, out);
        let described = map
            .get("x-d1-value-descriptions")
            .and_then(Value::as_object);
        for name in described.into_iter().flat_map(Map::keys) {
            if !values.contains(&name.as_str()) {
                let place = join(&join(pointer, "x-d1-value-descriptions"), name);
                let problem = format!("it describes `{name}`, which is not in x-extensible-enum");
                out.push(
                    Breach::new(place, problem)
                        .with_fix("write a value of the list, or take the line out"),
                );
            }
        }
    });
}

pub(super) fn reason_codes(spec: &Value, out: &mut Vec<Breach>) {
    let known = spec.pointer("/components/schemas/ReasonCode/x-extensible-enum");
    let known = known.and_then(Value::as_array);
    for operation in operations(spec) {
        let codes = operation.object.get("x-d1-reason-codes");
        let codes = codes.and_then(Value::as_array).into_iter().flatten();
        for code in codes.filter(|code| !known.is_some_and(|known| known.contains(code))) {
            let problem = format!("{code} is not in x-extensible-enum of ReasonCode");
            out.push(Breach::new(
                join(&operation.pointer, "x-d1-reason-codes"),
                problem,
            ));
        }
    }
}

/// Whether each value of a list gets a name of its own in Rust.
fn names_of(list: &str, values: &[&str], out: &mut Vec<Breach>) {
    let mut names = BTreeMap::from([("Unknown".to_owned(), "the name of any other value")]);
    for (i, value) in values.iter().enumerate() {
        let place = join(list, &i.to_string());
        let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if !value.starts_with(|c: char| c.is_ascii_uppercase()) || !value.chars().all(upper) {
            let problem = format!("`{value}` is not in upper case: it gets no name in Rust");
            out.push(Breach::new(place, problem));
        } else if let Some(other) = names.insert(variant(value), value)
            && other != *value
        {
            let problem = format!("`{value}` has the name in Rust of `{other}`");
            out.push(Breach::new(place, problem));
        }
    }
}

pub(super) fn required_properties(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        let Some(properties) = map.get("properties").and_then(Value::as_object) else {
            return;
        };
        for key in ["required", "x-d1-sent-claims"] {
            let list = map.get(key).and_then(Value::as_array);
            for (i, name) in list.into_iter().flatten().enumerate() {
                if !name
                    .as_str()
                    .is_some_and(|name| properties.contains_key(name))
                {
                    let place = join(&join(pointer, key), &i.to_string());
                    out.push(Breach::new(
                        place,
                        format!("`{key}` names {name}, which is no property"),
                    ));
                }
            }
        }
    });
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
                    format!("`{name}` is no property of a request body"),
                ));
            }
        }
    });
}

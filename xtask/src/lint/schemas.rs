//! Rules on schemas: what a response may hold, bounds, and the values that the spec itself has for a schema.

use std::collections::BTreeSet;

use jsonschema::Draft;
use serde_json::Value;

use super::patterns::lengths;
use super::{Breaches, objects, references};
use crate::spec::{entries, join, list, operations, resolve, text};

pub(super) fn response_stays_open(spec: &Value, out: &mut Breaches) {
    // Several operations have the same response, and several responses the same schema.
    let mut seen = BTreeSet::new();
    for operation in operations(spec) {
        for (status, response) in operation.responses(spec) {
            let place = join(&operation.response_source(spec, status), "content");
            for (media, value) in entries(response, "content") {
                let place = join(&join(&place, media), "schema");
                let response = format!("{} {status}", operation.name());
                let mut open = Open {
                    spec,
                    response,
                    seen: &mut seen,
                    out,
                };
                open.check(&value["schema"], &place);
            }
        }
    }
}

/// A look at the schemas of one response.
struct Open<'a> {
    spec: &'a Value,
    response: String,
    seen: &'a mut BTreeSet<String>,
    out: &'a mut Breaches,
}

impl Open<'_> {
    fn check(&mut self, schema: &Value, pointer: &str) {
        const CLOSING: [&str; 5] = ["pattern", "minLength", "maxLength", "minItems", "maxItems"];
        if !self.seen.insert(pointer.to_owned()) {
            return;
        }
        let target = text(schema, "$ref").trim_start_matches('#');
        if let Some(next) = self.spec.pointer(target).filter(|_| !target.is_empty()) {
            return self.check(next, target);
        }
        let is_closing = |key: &&&str| schema.get(**key).is_some();
        let text_format = schema
            .get("format")
            .filter(|_| text(schema, "type") == "string");
        let closing = CLOSING.iter().find(is_closing).copied();
        if let Some(key) = closing.or(text_format.map(|_| "format")) {
            let problem = format!("the response {} has `{key}`", self.response);
            self.out.add(join(pointer, key), problem);
        }
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            let problem = format!(
                "the response {} loses the fields that D1 adds",
                self.response
            );
            let fix = "add `additionalProperties: {}`; the client then keeps unknown fields";
            self.out.add_with_fix(pointer, problem, fix);
        }
        for (name, property) in entries(schema, "properties") {
            self.check(property, &join(&join(pointer, "properties"), name));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                self.check(inner, &join(pointer, key));
            }
        }
        for (i, part) in list(schema, "allOf").iter().enumerate() {
            self.check(part, &format!("{pointer}/allOf/{i}"));
        }
    }
}

/// The least and the most of the same thing.
const BOUNDS: [(&str, &str); 3] = [
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minimum", "maximum"),
];

pub(super) fn bounds(spec: &Value, out: &mut Breaches) {
    objects(spec, |pointer, object| {
        for (least, most) in BOUNDS {
            if let (Some(low), Some(high)) = (object[least].as_i64(), object[most].as_i64())
                && low > high
            {
                let problem = format!("`{least}` {low} is above `{most}` {high}");
                out.add(join(pointer, least), problem);
            }
        }
        pattern_lengths(pointer, object, out);
    });
}

/// Compares the lengths that a pattern allows with `minLength` and `maxLength`.
fn pattern_lengths(pointer: &str, object: &Value, out: &mut Breaches) {
    let Some((least, most)) = lengths(text(object, "pattern")) else {
        return;
    };
    let given = |key: &str| object[key].as_u64();
    let differs = |key: &str, length: u64| given(key).is_some_and(|given| given != length);
    let (key, range) = match most {
        Some(most) if differs("maxLength", most) => ("maxLength", format!("{least} to {most}")),
        Some(most) if differs("minLength", least) => ("minLength", format!("{least} to {most}")),
        // Without an upper bound the pattern leaves it to `maxLength`.
        None if given("maxLength").is_some_and(|most| most < least) => {
            ("maxLength", format!("{least} or more"))
        }
        Some(_) | None => return,
    };
    let given = given(key).unwrap_or_default();
    let problem = format!("`{key}` is {given}, but the pattern takes {range} characters");
    let fix = "give the pattern and the keys beside it the same lengths";
    out.add_with_fix(join(pointer, key), problem, fix);
}

pub(super) fn valid_values(spec: &Value, out: &mut Breaches) {
    let mut dead = Breaches::default();
    references::dead_reference(spec, &mut dead);
    references::cyclic_reference(spec, &mut dead);
    if !dead.0.is_empty() {
        return; // Other rules report what is wrong with the schemas.
    }
    objects(spec, |pointer, object| {
        // A parameter or a media type has its schema beside the example, a schema is its own.
        let beside = object.get("schema").filter(|schema| schema.is_object());
        let Some(schema) = beside.or(is_schema(pointer).then_some(object)) else {
            return;
        };
        for key in ["example", "default", "x-d1-default"] {
            let Some(value) = object.get(key) else {
                continue;
            };
            let options = jsonschema::options().with_draft(Draft::Draft7);
            // Another rule reports a schema that cannot be compiled.
            if let Ok(validator) = options.build(&closed(spec, schema))
                && let Err(error) = validator.validate(value)
            {
                let rule = match error.kind().keyword() {
                    "enum" => "x-extensible-enum",
                    other => other,
                };
                let inner = error.instance_path().to_string();
                let at = if inner.is_empty() {
                    String::new()
                } else {
                    format!(" at {inner}")
                };
                let problem = format!("the {key}{at} breaks `{rule}` of its schema");
                out.add(join(pointer, key), problem);
            }
        }
    });
}

/// Whether a place is one of a schema, rather than of an object that holds one.
fn is_schema(pointer: &str) -> bool {
    let parts: Vec<&str> = pointer.split('/').collect();
    match parts[..] {
        [.., "schemas" | "properties" | "allOf", _] => true,
        [.., last] => ["schema", "items", "additionalProperties"].contains(&last),
        [] => false,
    }
}

/// A schema with what its references lead to in their place, in which an open list counts as a closed one.
fn closed(spec: &Value, schema: &Value) -> Value {
    match resolve(spec, schema) {
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| match key.as_str() {
                "x-extensible-enum" => ("enum".to_owned(), value.clone()),
                _ => (key.clone(), closed(spec, value)),
            };
            map.iter().map(entry).collect()
        }
        Value::Array(items) => items.iter().map(|item| closed(spec, item)).collect(),
        scalar => scalar.clone(),
    }
}

//! Rules on schemas: what the generator turns into a type that refuses, or sends, too much.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Breach;
use crate::normalize::is_omitted;
use crate::spec::{join, operations, resolve};

/// Calls `visit` with each object below a value, and with its pointer.
pub(super) fn walk(
    value: &Value,
    pointer: &str,
    visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>),
) {
    match value {
        Value::Object(map) => {
            visit(pointer, map);
            for (key, child) in map {
                // An example is data, not schema; a property may be called so all the same.
                if key != "example" || pointer.ends_with("/properties") {
                    walk(child, &join(pointer, key), visit);
                }
            }
        }
        Value::Array(items) => {
            for (i, child) in items.iter().enumerate() {
                walk(child, &join(pointer, &i.to_string()), visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Calls `visit` with each object of the components and of the paths, schemas among them.
pub(super) fn walk_schemas(
    spec: &Value,
    mut visit: impl FnMut(&str, &serde_json::Map<String, Value>),
) {
    for key in ["components", "paths"] {
        if let Some(value) = spec.get(key) {
            walk(value, &join("", key), &mut visit);
        }
    }
}

pub(super) fn dead_reference(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        let Some(reference) = map.get("$ref").and_then(Value::as_str) else {
            return;
        };
        let target = reference.strip_prefix('#').and_then(|p| spec.pointer(p));
        // The body of a named response is left out with its schema.
        let is_body = pointer.starts_with("/components/responses/")
            && pointer.contains("/content/")
            && pointer.ends_with("/schema");
        let problem = match target {
            None => "does not exist",
            Some(target) if is_omitted(target) && !is_body => {
                "is not generated (x-d1-client: omit)"
            }
            Some(_) => return,
        };
        out.push(Breach::new(
            join(pointer, "$ref"),
            format!("`{reference}` {problem}"),
        ));
    });
}

pub(super) fn cyclic_reference(spec: &Value, out: &mut Vec<Breach>) {
    let components = spec.get("components").unwrap_or(&Value::Null);
    let kinds = components.as_object().into_iter().flatten();
    for (kind, map) in kinds {
        for (name, component) in map.as_object().into_iter().flatten() {
            let start = join(&join("/components", kind), name);
            if let Some(place) = way_back(spec, &start, component, &start, &mut BTreeSet::new()) {
                let problem = format!("`#{start}` refers to itself here");
                out.push(Breach::new(place, problem));
            }
        }
    }
}

/// The reference below `value` by which `start` is reached again.
fn way_back(
    spec: &Value,
    start: &str,
    value: &Value,
    pointer: &str,
    seen: &mut BTreeSet<String>,
) -> Option<String> {
    let mut references = Vec::new();
    walk(value, pointer, &mut |pointer, map| {
        if let Some(target) = map
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| r.strip_prefix('#'))
        {
            references.push((join(pointer, "$ref"), target.to_owned()));
        }
    });
    references.into_iter().find_map(|(place, target)| {
        if target == start {
            return Some(place);
        }
        let next = spec.pointer(&target)?;
        seen.insert(target.clone())
            .then(|| way_back(spec, start, next, &target, seen))?
    })
}

pub(super) fn property_default(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        let properties = map.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if has_default(spec, property, 8) {
                let place = join(&join(pointer, "properties"), name);
                out.push(Breach::new(place, "the property has a default"));
            }
        }
    });
}

/// Whether a schema has a default, itself or by what it is made of; `depth` ends cycles.
fn has_default(spec: &Value, schema: &Value, depth: u8) -> bool {
    let target = resolve(spec, schema);
    let parts = target.get("allOf").and_then(Value::as_array);
    target.get("default").is_some()
        || depth > 0
            && parts
                .into_iter()
                .flatten()
                .any(|part| has_default(spec, part, depth - 1))
}

pub(super) fn numeric_bounds(spec: &Value, out: &mut Vec<Breach>) {
    let mut allowed = BTreeSet::new();
    walk_schemas(spec, |pointer, map| {
        if map.get("in").is_some_and(|i| i == "query") {
            allowed.insert(join(pointer, "schema"));
        }
        for bound in ["minimum", "maximum"] {
            // A property may be called so; its schema is an object.
            let has = map.get(bound).is_some_and(|b| !b.is_object());
            if has && !allowed.contains(pointer) {
                out.push(Breach::new(
                    join(pointer, bound),
                    format!("it has `{bound}`"),
                ));
            }
        }
    });
}

pub(super) fn unused_schema(spec: &Value, out: &mut Vec<Breach>) {
    let mut used = BTreeSet::new();
    walk_schemas(spec, |_, map| {
        used.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
    });
    let schemas = spec
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    for (name, schema) in schemas.into_iter().flatten() {
        let place = join("/components/schemas", name);
        if !used.contains(&format!("#{place}")) && !is_omitted(schema) {
            out.push(Breach::new(place, format!("nothing refers to `{name}`")));
        }
    }
}

pub(super) fn card_data(spec: &Value, out: &mut Vec<Breach>) {
    const PLAINTEXT: &str = "CardCredentials";
    let schemas = spec.pointer("/components/schemas");
    let schemas = schemas.and_then(Value::as_object);
    let secret = schemas.and_then(|schemas| schemas.get(PLAINTEXT)?.get("properties"));
    let Some(secret) = secret.and_then(Value::as_object) else {
        return;
    };
    let others = schemas.into_iter().flatten();
    for (name, schema) in others.filter(|(name, s)| *name != PLAINTEXT && !is_omitted(s)) {
        walk(
            schema,
            &join("/components/schemas", name),
            &mut |at, map| {
                let properties = map.get("properties").and_then(Value::as_object);
                let names = properties.into_iter().flat_map(|map| map.keys());
                for name in names.filter(|name| secret.contains_key(*name)) {
                    let problem = format!("`{name}` is a member of {PLAINTEXT}");
                    out.push(Breach::new(join(&join(at, "properties"), name), problem));
                }
            },
        );
    }
}

pub(super) fn response_stays_open(spec: &Value, out: &mut Vec<Breach>) {
    for operation in operations(spec) {
        for (status, response) in operation.responses(spec) {
            let place = operation.response_source(spec, status);
            let content = response.get("content").and_then(Value::as_object);
            for (media, value) in content.into_iter().flatten() {
                let schema = value.get("schema").unwrap_or(&Value::Null);
                let place = join(&join(&join(&place, "content"), media), "schema");
                let mut open = Open {
                    spec,
                    response: format!("{} {status}", operation.name()),
                    seen: BTreeSet::new(),
                };
                open.check(schema, &place, out);
            }
        }
    }
    // Several operations have the same response.
    let mut places = BTreeSet::new();
    out.retain(|breach| places.insert(breach.pointer.clone()));
}

/// A look at the schemas of one response.
struct Open<'a> {
    spec: &'a Value,
    response: String,
    seen: BTreeSet<String>,
}

impl Open<'_> {
    fn check(&mut self, schema: &Value, pointer: &str, out: &mut Vec<Breach>) {
        const CLOSING: [&str; 5] = ["pattern", "minLength", "maxLength", "minItems", "maxItems"];
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').unwrap_or_default().to_owned();
            if let Some(next) = self.spec.pointer(&target)
                && self.seen.insert(target.clone())
            {
                self.check(next, &target, out);
            }
            return;
        }
        let text_format = schema.get("format").is_some()
            && schema.get("type").is_some_and(|kind| kind == "string");
        let closing = CLOSING.iter().find(|k| schema.get(**k).is_some());
        if let Some(key) = closing.copied().or(text_format.then_some("format")) {
            let problem = format!("the response {} has `{key}`", self.response);
            out.push(Breach::new(join(pointer, key), problem));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        if properties.is_some() && schema.get("additionalProperties").is_none() {
            let problem = format!(
                "the response {} loses the fields that D1 adds",
                self.response
            );
            let fix = "add `additionalProperties: {}`; the client then keeps unknown fields";
            out.push(Breach::new(pointer, problem).with_fix(fix));
        }
        for (name, property) in properties.into_iter().flatten() {
            self.check(property, &join(&join(pointer, "properties"), name), out);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                self.check(inner, &join(pointer, key), out);
            }
        }
        let parts = schema.get("allOf").and_then(Value::as_array);
        for (i, part) in parts.into_iter().flatten().enumerate() {
            self.check(part, &join(&join(pointer, "allOf"), &i.to_string()), out);
        }
    }
}

pub(super) fn description_code(spec: &Value, out: &mut Vec<Breach>) {
    let mut visit = |pointer: &str, map: &serde_json::Map<String, Value>| {
        for key in ["description", "summary", "title"] {
            let text = map.get(key).and_then(Value::as_str).unwrap_or("");
            let indented = text
                .lines()
                .any(|l| l.starts_with("    ") || l.starts_with('\t'));
            if text.contains("```") || text.contains("~~~") || indented {
                out.push(Breach::new(
                    join(pointer, key),
                    format!("its {key} has a code block"),
                ));
            }
        }
    };
    // The text of info stands over the client.
    if let Some(info) = spec.get("info") {
        walk(info, "/info", &mut visit);
    }
    walk_schemas(spec, visit);
}

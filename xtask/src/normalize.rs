//! Turns the curated spec into the one that the generator is fed: a pure function of the spec.
//!
//! The curated spec is written for readers and stock validators; progenitor needs it a little
//! plainer:
//!
//! 1. `allOf` with a single reference, which carries a description of its own in the spec, becomes
//!    that reference.
//! 2. `x-d1-rust-name` renames a property or a query parameter for Rust only. The name on the wire is
//!    handed back as a [`WireName`], which the client generator puts back: a name that is not
//!    documented can thus be corrected by one line of the spec, and no caller changes. For query
//!    parameters it also keeps the order of a method's arguments, which the generator sorts by name.
//! 3. Schemas with `x-d1-client: omit` are left out: a generated type prints what it holds, and these
//!    hold card data or are made by hand. A response that holds one has no body for the generator.
//! 4. Bounds and defaults of query parameters are left out. The generator does not enforce them (they
//!    stand in `constants.rs`), but it would derive the Rust type from them, so that moving a bound
//!    would break callers.

use serde_json::{Map, Value};

/// A property or query parameter whose Rust name is not derived from its wire name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireName {
    /// What has the name.
    pub owner: Owner,
    /// The name in Rust.
    pub rust: String,
    /// The name in JSON, or in the query.
    pub wire: String,
}

/// What a [`WireName`] belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A property of this component schema.
    Schema(String),
    /// A query parameter of the operation with this `operationId`.
    Operation(String),
}

/// The spec as the generator wants it.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// The document.
    pub spec: Value,
    /// The names to be put back on the wire.
    pub wire_names: Vec<WireName>,
}

/// Normalizes a spec; see the module's text for what changes.
#[must_use]
pub fn normalize(spec: &Value) -> Normalized {
    let mut spec = spec.clone();
    let mut wire_names = Vec::new();
    flatten_all_of(&mut spec);
    omit_bodies(&mut spec);
    if let Some(schemas) = spec
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    {
        schemas.retain(|_, schema| !is_omitted(schema));
        for (name, schema) in schemas.iter_mut() {
            rename_properties(name, schema, &mut wire_names);
        }
    }
    if let Some(paths) = spec.get_mut("paths").and_then(Value::as_object_mut) {
        let items = paths.values_mut().filter_map(Value::as_object_mut);
        for operation in items.flat_map(|item| item.values_mut()) {
            rename_parameters(operation, &mut wire_names);
        }
    }
    strip_parameter_bounds(&mut spec);
    Normalized { spec, wire_names }
}

/// Whether the client is to be generated without this schema.
pub(crate) fn is_omitted(schema: &Value) -> bool {
    schema.get("x-d1-client").is_some_and(|v| v == "omit")
}

/// Takes the body out of each response that holds a schema that is left out.
fn omit_bodies(spec: &mut Value) {
    let whole = spec.clone();
    let omitted = |body: &Value| {
        let schema = body.get("schema");
        let reference = schema.and_then(|s| s.get("$ref")).and_then(Value::as_str);
        let target = reference.and_then(|r| r.strip_prefix('#'));
        target
            .and_then(|p| whole.pointer(p))
            .is_some_and(is_omitted)
    };
    let responses = spec.pointer_mut("/components/responses");
    for response in responses
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
    {
        let content = response.get("content").and_then(Value::as_object);
        if content.is_some_and(|types| types.values().any(omitted))
            && let Some(response) = response.as_object_mut()
        {
            response.remove("content");
        }
    }
}

fn flatten_all_of(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = single_reference(map) {
                let kept = map.get("x-d1-rust-name").cloned();
                map.clear();
                map.insert("$ref".to_owned(), reference);
                if let Some(name) = kept {
                    map.insert("x-d1-rust-name".to_owned(), name);
                }
                return;
            }
            map.values_mut().for_each(flatten_all_of);
        }
        Value::Array(items) => items.iter_mut().for_each(flatten_all_of),
        _ => {}
    }
}

fn single_reference(map: &Map<String, Value>) -> Option<Value> {
    match map.get("allOf")?.as_array()?.as_slice() {
        [only] => only.get("$ref").cloned(),
        _ => None,
    }
}

fn rename_properties(schema_name: &str, schema: &mut Value, wire_names: &mut Vec<WireName>) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    let renamed: Map<String, Value> = std::mem::take(properties)
        .into_iter()
        .map(|(wire, mut property)| {
            let rust = property
                .as_object_mut()
                .and_then(|p| p.remove("x-d1-rust-name"))
                .and_then(|v| v.as_str().map(str::to_owned));
            match rust {
                Some(rust) => {
                    wire_names.push(WireName {
                        owner: Owner::Schema(schema_name.to_owned()),
                        rust: rust.clone(),
                        wire,
                    });
                    (rust, property)
                }
                None => (wire, property),
            }
        })
        .collect();
    *properties = renamed;
}

fn rename_parameters(operation: &mut Value, wire_names: &mut Vec<WireName>) {
    let Some(id) = operation.get("operationId").and_then(Value::as_str) else {
        return;
    };
    let id = id.to_owned();
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let Some(map) = parameter.as_object_mut() else {
            continue;
        };
        let rust = map.remove("x-d1-rust-name");
        let wire = map.get("name").cloned();
        if let (Some(Value::String(rust)), Some(Value::String(wire))) = (rust, wire) {
            map.insert("name".to_owned(), Value::String(rust.clone()));
            wire_names.push(WireName {
                owner: Owner::Operation(id.clone()),
                rust,
                wire,
            });
        }
    }
}

fn strip_parameter_bounds(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let is_parameter = map.contains_key("in") && map.contains_key("name");
            if is_parameter
                && let Some(schema) = map.get_mut("schema").and_then(Value::as_object_mut)
            {
                schema.retain(|key, _| !["default", "minimum", "maximum"].contains(&key.as_str()));
            }
            map.values_mut().for_each(strip_parameter_bounds);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_parameter_bounds),
        _ => {}
    }
}

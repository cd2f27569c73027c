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

use crate::spec::{entries, resolve, text};

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
    let mut normalized = spec.clone();
    let mut wire_names = Vec::new();
    change(&mut normalized, &flatten_all_of);
    omit_bodies(&mut normalized, spec);
    if let Some(schemas) = object_mut(&mut normalized, "/components/schemas") {
        schemas.retain(|_, schema| !is_omitted(schema));
        for (name, schema) in schemas.iter_mut() {
            rename_properties(name, schema, &mut wire_names);
        }
    }
    let paths = object_mut(&mut normalized, "/paths");
    let items = paths.into_iter().flat_map(Map::values_mut);
    for operation in items
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
    {
        rename_parameters(operation, &mut wire_names);
    }
    change(&mut normalized, &strip_parameter_bounds);
    Normalized {
        spec: normalized,
        wire_names,
    }
}

/// Whether the client is to be generated without this schema.
pub(crate) fn is_omitted(schema: &Value) -> bool {
    text(schema, "x-d1-client") == "omit"
}

/// Changes each object of a document, the outer ones first.
fn change(value: &mut Value, edit: &impl Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            edit(map);
            map.values_mut().for_each(|child| change(child, edit));
        }
        Value::Array(items) => items.iter_mut().for_each(|child| change(child, edit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object_mut<'v>(value: &'v mut Value, pointer: &str) -> Option<&'v mut Map<String, Value>> {
    value.pointer_mut(pointer)?.as_object_mut()
}

/// Takes the body out of each response that holds a schema that is left out.
fn omit_bodies(normalized: &mut Value, spec: &Value) {
    let is_left_out = |(_, body): (&String, &Value)| is_omitted(resolve(spec, &body["schema"]));
    let responses = object_mut(normalized, "/components/responses");
    for response in responses.into_iter().flat_map(Map::values_mut) {
        if entries(response, "content").any(is_left_out)
            && let Some(response) = response.as_object_mut()
        {
            response.remove("content");
        }
    }
}

fn flatten_all_of(map: &mut Map<String, Value>) {
    let parts = map
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice);
    if let Some([only]) = parts
        && let Some(reference) = only.get("$ref").cloned()
    {
        map.retain(|key, _| key == "x-d1-rust-name");
        map.insert("$ref".to_owned(), reference);
    }
}

fn rename_properties(schema_name: &str, schema: &mut Value, wire_names: &mut Vec<WireName>) {
    let Some(properties) = object_mut(schema, "/properties") else {
        return;
    };
    for (wire, mut property) in std::mem::take(properties) {
        let rust = take_rust_name(&mut property);
        let name = rust.clone().unwrap_or_else(|| wire.clone());
        properties.insert(name, property);
        wire_names.extend(rust.map(|rust| WireName {
            owner: Owner::Schema(schema_name.to_owned()),
            rust,
            wire,
        }));
    }
}

fn rename_parameters(operation: &mut Value, wire_names: &mut Vec<WireName>) {
    let owner = Owner::Operation(text(operation, "operationId").to_owned());
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if let Some(rust) = take_rust_name(parameter) {
            let wire = text(parameter, "name").to_owned();
            parameter["name"] = rust.clone().into();
            let owner = owner.clone();
            wire_names.push(WireName { owner, rust, wire });
        }
    }
}

/// Takes `x-d1-rust-name` out of a property or a parameter.
fn take_rust_name(named: &mut Value) -> Option<String> {
    let name = named.as_object_mut()?.remove("x-d1-rust-name")?;
    name.as_str().map(str::to_owned)
}

fn strip_parameter_bounds(map: &mut Map<String, Value>) {
    let is_parameter = map.contains_key("in") && map.contains_key("name");
    let schema = map.get_mut("schema").and_then(Value::as_object_mut);
    if let Some(schema) = schema.filter(|_| is_parameter) {
        schema.retain(|key, _| !["default", "minimum", "maximum"].contains(&key.as_str()));
    }
}

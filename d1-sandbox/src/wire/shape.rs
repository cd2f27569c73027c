//! What the OpenAPI document says about the values of requests and replies.
//!
//! Some names of D1 are not documented. Each of them has an `x-d1-rust-name` in the document, which stays when
//! the name on the wire is corrected. The sandbox goes by that, so that such a correction is one edit.

use jsonschema::{Draft, Validator};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};
use std::fmt;

/// A schema of the document, without references.
pub(crate) struct Shape {
    schema: Value,
    validator: Validator,
}

/// A parameter of an operation.
#[derive(Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) place: Place,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(deserialize_with = "plain_shape")]
    schema: Shape,
    #[serde(rename = "x-d1-rust-name")]
    rust_name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

impl Shape {
    /// Checks a value. The error names the place and the rule, and never the value.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        self.validator.validate(value).map_err(|error| {
            // The text of the error itself would show the value.
            let place = match error.instance_path().to_string() {
                place if place.is_empty() => "the whole value".to_owned(),
                place => place,
            };
            format!("{place} violates `{}`", error.kind().keyword())
        })
    }

    /// Returns the members of an object that the document reserves.
    pub(super) fn reserved<'v>(&self, value: &'v Value) -> impl Iterator<Item = &'v str> {
        let properties = &self.schema["properties"];
        names(value).filter(|name| properties[*name].get("x-d1-reserved").is_some())
    }

    /// Returns the members of an object that the document does not have.
    pub(crate) fn unknown<'v>(&self, value: &'v Value) -> impl Iterator<Item = &'v str> {
        let properties = &self.schema["properties"];
        names(value).filter(|name| properties.get(name).is_none())
    }

    /// Returns the name on the wire of what the sandbox calls `own`.
    pub(super) fn on_wire<'n>(&'n self, own: &'n str) -> &'n str {
        on_wire(&self.schema, own)
    }

    /// Gives the members of an object, and of the objects in its lists, their names on the wire.
    pub(super) fn put_on_wire(&self, value: &mut Value) {
        put_on_wire(&self.schema, value);
    }
}

impl Parameter {
    /// Returns whether the sandbox calls the parameter `own`.
    pub(super) fn is_called(&self, own: &str) -> bool {
        is_called(own, &self.name, self.rust_name.as_deref())
    }

    /// Returns what holds when the parameter is not given.
    pub(super) fn default(&self) -> Option<&Value> {
        self.schema.schema.get("default")
    }

    /// Reads and checks a value. The error names the rule, and never the value.
    pub(super) fn check(&self, text: &str) -> Result<Value, String> {
        let value = match self.schema.schema["type"].as_str() {
            Some("string") => Some(Value::from(text)),
            // A number has one way to be written.
            _ => serde_json::from_str(text)
                .ok()
                .filter(|value| serde_json::to_string(value).is_ok_and(|written| written == text)),
        };
        let value = value.ok_or("violates `type`")?;
        let validator = &self.schema.validator;
        let rule = validator.validate(&value).err();
        match rule.map(|error| format!("violates `{}`", error.kind().keyword())) {
            None => Ok(value),
            Some(rule) => Err(rule),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        };
        write!(formatter, "{place} parameter {}", self.name)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(schema: D) -> Result<Self, D::Error> {
        let schema = Value::deserialize(schema)?;
        // Draft 7 is the closest to what OpenAPI 3.0 has.
        let options = jsonschema::options().with_draft(Draft::Draft7);
        let validator = options.build(&with_bounds(schema.clone()));
        let validator = validator.map_err(Error::custom)?;
        Ok(Self { schema, validator })
    }
}

/// Gives each integer of a schema the bounds of its format, which a validator takes for a comment.
fn with_bounds(mut schema: Value) -> Value {
    let bounds = match schema["format"].as_str() {
        Some("int32") => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        Some("int64") => Some((i64::MIN, i64::MAX)),
        _ => None,
    };
    let members = schema.as_object_mut().into_iter().flatten();
    for (_, member) in members {
        *member = with_bounds(member.take());
    }
    if let (Some((minimum, maximum)), Some(schema)) = (bounds, schema.as_object_mut()) {
        schema.entry("minimum").or_insert(minimum.into());
        schema.entry("maximum").or_insert(maximum.into());
    }
    schema
}

/// Deserializes the schema of a parameter, which must be a plain value.
fn plain_shape<'de, D: Deserializer<'de>>(schema: D) -> Result<Shape, D::Error> {
    let shape = Shape::deserialize(schema)?;
    match shape.schema["type"].as_str() {
        Some("string" | "integer" | "boolean") => Ok(shape),
        other => Err(Error::custom(format!(
            "parameters of the type {other:?} are not served"
        ))),
    }
}

/// Returns the names of the members of an object.
pub(crate) fn names(value: &Value) -> impl Iterator<Item = &str> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, _)| name.as_str())
}

/// Returns whether the sandbox calls a property or a parameter `own`: `digitalCardDetails` where
/// `x-d1-rust-name` is `digital_card_details`, otherwise its name on the wire.
fn is_called(own: &str, wire: &str, rust_name: Option<&str>) -> bool {
    match rust_name {
        Some(rust) => rust.replace('_', "").eq_ignore_ascii_case(own),
        None => own == wire,
    }
}

fn on_wire<'n>(schema: &'n Value, own: &'n str) -> &'n str {
    let mut properties = schema["properties"].as_object().into_iter().flatten();
    let found = properties.find(|(wire, property)| {
        let rust_name = property["x-d1-rust-name"].as_str();
        is_called(own, wire, rust_name)
    });
    found.map_or(own, |(wire, _)| wire)
}

fn put_on_wire(schema: &Value, value: &mut Value) {
    let Some(members) = value.as_object_mut() else {
        return;
    };
    let mut renamed = Map::new();
    for (own, mut value) in std::mem::take(members) {
        let wire = on_wire(schema, &own);
        let items = &schema["properties"][wire]["items"];
        for item in value.as_array_mut().into_iter().flatten() {
            put_on_wire(items, item);
        }
        renamed.insert(wire.to_owned(), value);
    }
    *members = renamed;
}

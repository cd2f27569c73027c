//! What the OpenAPI document says about the values of requests and replies.

use super::names::{Names, own_name, resolve};
use jsonschema::{Draft, Validator};
use serde::Deserialize;
use serde_json::{Value, json};

/// An object of the document: what is valid, and which members there are.
pub(crate) struct Shape {
    validator: Validator,
    members: Vec<String>,
    reserved: Vec<String>,
    pub(super) names: Names,
}

/// A parameter of an operation.
pub(super) struct Parameter {
    pub(super) name: String,
    /// What the sandbox calls it.
    pub(super) own_name: String,
    pub(super) place: Place,
    pub(super) required: bool,
    /// What holds when it is not given.
    pub(super) default: Option<Value>,
    is_text: bool,
    validator: Validator,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

impl Shape {
    pub(crate) fn read(document: &Value, schema: &Value) -> Result<Self, String> {
        let properties = resolve(document, schema).get("properties");
        let properties: Vec<(&String, &Value)> = properties
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .collect();
        let is_reserved = |property: &Value| property.get("x-d1-reserved").is_some();
        let reserved = properties.iter().filter(|(_, p)| is_reserved(p));
        Ok(Self {
            validator: compile(document, schema)?,
            reserved: reserved.map(|(name, _)| (*name).clone()).collect(),
            members: properties.into_iter().map(|(n, _)| n.clone()).collect(),
            names: Names::of_schema(document, schema),
        })
    }

    /// Checks a value; the error names the place and the rule, and never the value.
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
    pub(super) fn reserved(&self, value: &Value) -> impl Iterator<Item = &str> {
        let reserved = self.reserved.iter().map(String::as_str);
        reserved.filter(|name| value.get(name).is_some())
    }

    /// Returns the members of an object that the document does not have.
    pub(crate) fn unknown<'v>(&self, value: &'v Value) -> impl Iterator<Item = &'v str> {
        let members = value.as_object().into_iter().flatten();
        let names = members.map(|(name, _)| name.as_str());
        names.filter(|name| !self.members.iter().any(|known| known == name))
    }
}

impl Parameter {
    pub(super) fn read(document: &Value, parameter: &Value) -> Result<Self, String> {
        let place = Place::deserialize(&parameter["in"]).map_err(|error| error.to_string())?;
        let name = parameter["name"].as_str().unwrap_or_default();
        let schema = parameter.get("schema").ok_or("a parameter has no schema")?;
        let resolved = resolve(document, schema);
        let is_text = match resolved["type"].as_str() {
            Some("string") => true,
            Some("integer" | "boolean") => false,
            other => return Err(format!("parameters of the type {other:?} are not served")),
        };
        Ok(Self {
            own_name: own_name(name, parameter),
            name: name.to_owned(),
            default: resolved.get("default").cloned(),
            place,
            required: parameter["required"] == true,
            is_text,
            validator: compile(document, schema)?,
        })
    }

    /// Reads and checks a value; the error names the rule, and never the value.
    pub(super) fn check(&self, text: &str) -> Result<Value, String> {
        let value = if self.is_text {
            Value::from(text)
        } else {
            let value: Option<Value> = serde_json::from_str(text).ok();
            let value = value.filter(|value| value.is_i64() || value.is_boolean());
            let value = value.ok_or("violates `type`")?;
            // A number has one way to be written.
            let written = value.to_string();
            if written != text {
                return Err("violates `type`".to_owned());
            }
            value
        };
        match self.validator.validate(&value) {
            Ok(()) => Ok(value),
            Err(error) => Err(format!("violates `{}`", error.kind().keyword())),
        }
    }
}

/// Returns the schema of the first content type that a request body or response declares.
pub(super) fn content_schema<'d>(
    document: &'d Value,
    node: Option<&'d Value>,
) -> Option<&'d Value> {
    let content = resolve(document, node?).get("content")?.as_object()?;
    content.values().next()?.get("schema")
}

/// Compiles a schema of the document, whose references lead into its components.
fn compile(document: &Value, schema: &Value) -> Result<Validator, String> {
    let components = document.get("components").cloned().unwrap_or_default();
    // Draft 7 ignores what stands beside a reference, as OpenAPI 3.0 does.
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .build(&json!({ "allOf": [schema], "components": components }))
        .map_err(|error| error.to_string())
}

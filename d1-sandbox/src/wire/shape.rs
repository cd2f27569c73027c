//! What the OpenAPI document says about the values of requests and answers.

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// An object of the document: what is valid, and which members there are.
pub(crate) struct Shape {
    validator: Validator,
    members: Vec<String>,
    pub(crate) reserved: Vec<String>,
}

/// A parameter of an operation.
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// What the sandbox calls it.
    pub(crate) own_name: String,
    pub(crate) place: Place,
    pub(crate) required: bool,
    /// What holds when it is not given.
    pub(crate) default: Option<Value>,
    kind: Kind,
    validator: Validator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

enum Kind {
    Text,
    Integer,
    Boolean,
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
        })
    }

    /// Checks a value; the error names the place and the rule, and never the value.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        check(&self.validator, value)
    }

    /// The members of an object that the document does not have.
    pub(crate) fn unknown<'v>(&self, value: &'v Value) -> impl Iterator<Item = &'v str> {
        let members = value.as_object().into_iter().flatten();
        let names = members.map(|(name, _)| name.as_str());
        names.filter(|name| !self.members.iter().any(|known| known == name))
    }
}

impl Parameter {
    pub(crate) fn read(document: &Value, parameter: &Value) -> Result<Self, String> {
        let text = |name: &str| {
            parameter
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let place = match text("in") {
            "path" => Place::Path,
            "query" => Place::Query,
            "header" => Place::Header,
            other => return Err(format!("parameters in {other:?} are not served")),
        };
        let schema = parameter.get("schema").ok_or("a parameter has no schema")?;
        let kind = match resolve(document, schema)
            .get("type")
            .and_then(Value::as_str)
        {
            Some("string") => Kind::Text,
            Some("integer") => Kind::Integer,
            Some("boolean") => Kind::Boolean,
            other => return Err(format!("parameters of the type {other:?} are not served")),
        };
        Ok(Self {
            own_name: own_name(text("name"), parameter),
            name: text("name").to_owned(),
            default: resolve(document, schema).get("default").cloned(),
            place,
            required: parameter.get("required") == Some(&Value::Bool(true)),
            kind,
            validator: compile(document, schema)?,
        })
    }

    /// Reads and checks a value; the error names the rule, and never the value.
    pub(crate) fn check(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Text => Value::from(text),
            Kind::Integer => text
                .parse::<i64>()
                .ok()
                .filter(|number| number.to_string() == text)
                .map(Value::from)
                .ok_or("violates `type`")?,
            Kind::Boolean => Value::from(text.parse::<bool>().map_err(|_| "violates `type`")?),
        };
        match self.validator.validate(&value) {
            Ok(()) => Ok(value),
            Err(error) => Err(format!("violates `{}`", error.kind().keyword())),
        }
    }
}

/// What the sandbox calls a property or a parameter: `digitalCardDetails` where `x-d1-rust-name` is
/// `digital_card_details`.
pub(crate) fn own_name(wire: &str, node: &Value) -> String {
    match node.get("x-d1-rust-name").and_then(Value::as_str) {
        None => wire.to_owned(),
        Some(rust) => rust
            .split('_')
            .enumerate()
            .map(|(i, word)| match word.split_at_checked(1) {
                Some((first, rest)) if i > 0 => first.to_ascii_uppercase() + rest,
                _ => word.to_owned(),
            })
            .collect(),
    }
}

/// Follows a reference within the document.
pub(crate) fn resolve<'d>(document: &'d Value, node: &'d Value) -> &'d Value {
    node.get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(node)
}

/// The schema of the first content type that a request body or response declares.
pub(crate) fn content_schema<'d>(
    document: &'d Value,
    node: Option<&'d Value>,
) -> Option<&'d Value> {
    let content = resolve(document, node?).get("content")?.as_object()?;
    content.values().next()?.get("schema")
}

/// Compiles a schema of the document, whose references lead into its components.
pub(crate) fn compile(document: &Value, schema: &Value) -> Result<Validator, String> {
    let components = document.get("components").cloned().unwrap_or_default();
    // Draft 7 ignores what stands beside a reference, as OpenAPI 3.0 does.
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .build(&json!({ "allOf": [schema], "components": components }))
        .map_err(|error| error.to_string())
}

pub(crate) fn check(validator: &Validator, value: &Value) -> Result<(), String> {
    validator.validate(value).map_err(|error| {
        // The text of the error itself would show the value.
        let place = error.instance_path().to_string();
        let place = if place.is_empty() {
            "the whole value".to_owned()
        } else {
            place
        };
        format!("{place} violates `{}`", error.kind().keyword())
    })
}

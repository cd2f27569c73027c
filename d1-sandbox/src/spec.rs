//! The OpenAPI document, read once a process: it decides what is served and what is valid.

use crate::names::{Names, own_name};
use http::Method;
use jsonschema::{Draft, Validator};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

static SPEC: LazyLock<Result<Arc<Spec>, String>> = LazyLock::new(|| Spec::read(YAML).map(Arc::new));

const YAML: &str = include_str!("d1-card-operations.yaml");

/// An operation of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Suspend,
    Resume,
    Delete,
    Renew,
    List,
    Get,
    Token,
}

impl Call {
    pub(crate) const ALL: [Self; 7] = [
        Self::Suspend,
        Self::Resume,
        Self::Delete,
        Self::Renew,
        Self::List,
        Self::Get,
        Self::Token,
    ];

    /// The `operationId` in the document.
    pub(crate) const fn operation_id(self) -> &'static str {
        match self {
            Self::Suspend => "suspendCard",
            Self::Resume => "resumeCard",
            Self::Delete => "deleteCard",
            Self::Renew => "renewCard",
            Self::List => "listOperations",
            Self::Get => "getOperation",
            Self::Token => "getToken",
        }
    }
}

/// The document, compiled.
pub(crate) struct Spec {
    yaml: String,
    routes: Vec<Route>,
    credentials: Validator,
    default_reason_code: String,
}

/// One operation of the document with everything that it says about validity.
pub(crate) struct Route {
    pub(crate) call: Call,
    method: Method,
    template: Vec<Segment>,
    pub(crate) parameters: Vec<Parameter>,
    body: Option<Validator>,
    pub(crate) body_names: Names,
    responses: Vec<Response>,
}

/// What an operation may answer with a status, or with a range of them.
struct Response {
    status: String,
    body: Option<Validator>,
    names: Names,
    errors: Vec<ErrorRow>,
}

/// A row of `x-d1-errors`.
#[derive(Deserialize)]
struct ErrorRow {
    code: Option<String>,
    #[serde(default)]
    when: Vec<String>,
}

enum Segment {
    Literal(String),
    Parameter(String),
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

/// What a method and path lead to.
pub(crate) enum Found<'s> {
    /// An operation, with the decoded values of its path parameters; a value is absent if it is
    /// not UTF-8.
    Route(&'s Route, Vec<(&'s str, Option<String>)>),
    /// A path of the document, with other methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl Spec {
    /// The built-in document.
    pub(crate) fn shared() -> Result<Arc<Self>, String> {
        SPEC.clone()
    }

    /// The whole document, for those who want to read it.
    pub(crate) fn document(&self) -> Result<Value, String> {
        serde_saphyr::from_str(&self.yaml).map_err(|error| error.to_string())
    }

    /// What D1 takes when no reason code is sent.
    pub(crate) fn default_reason_code(&self) -> &str {
        &self.default_reason_code
    }

    pub(crate) fn read(yaml: &str) -> Result<Self, String> {
        let document: Value = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        let mut routes = Vec::new();
        for (path, item) in members(&document, "paths")? {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation.get("operationId").is_some() {
                    routes.push(Route::read(&document, path, method, operation)?);
                }
            }
        }
        for call in Call::ALL {
            if !routes.iter().any(|route| route.call == call) {
                return Err(format!("{} is missing", call.operation_id()));
            }
        }
        let credentials = json!({ "$ref": "#/components/schemas/CardCredentials" });
        let default = document.pointer("/components/schemas/ReasonCode/x-d1-default");
        let default = default.and_then(Value::as_str);
        Ok(Self {
            yaml: yaml.to_owned(),
            routes,
            default_reason_code: default.ok_or("ReasonCode has no default")?.to_owned(),
            credentials: compile(&document, &credentials)?,
        })
    }

    /// Finds the operation for a method and a path that is still percent-encoded.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let mut others = Vec::new();
        for route in &self.routes {
            if let Some(values) = route.match_path(path) {
                if route.method == method {
                    return Found::Route(route, values);
                }
                others.push(route.method.clone());
            }
        }
        if others.is_empty() {
            Found::Nothing
        } else {
            Found::OtherMethods(others)
        }
    }

    /// Checks the plaintext of `encryptedData`; the error names the place and the rule.
    pub(crate) fn check_credentials(&self, plaintext: &Value) -> Result<(), String> {
        check(&self.credentials, plaintext)
    }
}

impl Route {
    fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Result<Self, String> {
        let id = operation
            .get("operationId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let call = Call::ALL
            .into_iter()
            .find(|call| call.operation_id() == id)
            .ok_or_else(|| format!("{id} is not served"))?;
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|error| error.to_string())?;
        let template = path
            .split('/')
            .map(|segment| {
                match segment
                    .strip_prefix('{')
                    .and_then(|name| name.strip_suffix('}'))
                {
                    Some(name) => Segment::Parameter(name.to_owned()),
                    None => Segment::Literal(segment.to_owned()),
                }
            })
            .collect();
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let parameters = parameters
            .into_iter()
            .flatten()
            .map(|parameter| Parameter::read(document, resolve(document, parameter)))
            .collect::<Result<_, _>>()?;
        let body = content_schema(document, operation.get("requestBody"));
        let mut responses = Vec::new();
        for (status, response) in members(operation, "responses")? {
            responses.push(Response::read(document, status, response)?);
        }
        Ok(Self {
            call,
            method,
            template,
            parameters,
            body_names: Names::of_schema(document, body.unwrap_or(&Value::Null)),
            body: body.map(|schema| compile(document, schema)).transpose()?,
            responses,
        })
    }

    fn match_path(&self, path: &str) -> Option<Vec<(&str, Option<String>)>> {
        let mut values = Vec::new();
        let mut segments = path.split('/');
        for expected in &self.template {
            let segment = segments.next()?;
            let decoded = percent_encoding::percent_decode_str(segment);
            match expected {
                Segment::Literal(text) if segment == text || decoded.clone().eq(text.bytes()) => {}
                Segment::Literal(_) => return None,
                Segment::Parameter(name) => {
                    let value = decoded.decode_utf8().ok().map(|value| value.into_owned());
                    values.push((name.as_str(), value));
                }
            }
        }
        segments.next().is_none().then_some(values)
    }

    /// Whether the operation takes a body.
    pub(crate) fn takes_body(&self) -> bool {
        self.body.is_some()
    }

    /// Checks a request body; the error names the place and the rule, and never the value.
    pub(crate) fn check_body(&self, body: &Value) -> Result<(), String> {
        self.body
            .as_ref()
            .map_or(Ok(()), |validator| check(validator, body))
    }

    /// The status of a success, where the document names one.
    pub(crate) fn success_status(&self) -> Option<u16> {
        let success = self.responses.iter().find(|r| r.status.starts_with('2'));
        success.and_then(|response| response.status.parse().ok())
    }

    /// The code of the documented error that applies under these conditions.
    pub(crate) fn error_code(&self, status: u16, when: &[&str]) -> Option<&str> {
        let rows = &self.response(status)?.errors;
        rows.iter().find(|row| row.when == when)?.code.as_deref()
    }

    /// Gives the members of an answer their names in the document.
    pub(crate) fn name_answer(&self, status: u16, body: &mut Value) {
        if let Some(response) = self.response(status) {
            response.names.put_on_wire(body);
        }
    }

    fn response(&self, status: u16) -> Option<&Response> {
        let exact = status.to_string();
        let range = format!("{}XX", status / 100);
        self.responses
            .iter()
            .find(|response| response.status == exact || response.status == range)
    }

    /// Checks an answer of ours; the error says how it differs from the document.
    pub(crate) fn check_answer(&self, status: u16, body: Option<&Value>) -> Result<(), String> {
        let response = self
            .response(status)
            .ok_or_else(|| format!("the status {status} is not documented"))?;
        match (&response.body, body) {
            (Some(validator), Some(body)) => check(validator, body),
            (None, Some(_)) => Err(format!("{status} has no body")),
            (_, None) => Ok(()),
        }
    }
}

impl Response {
    fn read(document: &Value, status: &str, response: &Value) -> Result<Self, String> {
        let schema = content_schema(document, Some(response));
        let rows = resolve(document, response).get("x-d1-errors");
        let errors = rows.map(Vec::<ErrorRow>::deserialize).transpose();
        Ok(Self {
            status: status.to_owned(),
            body: schema.map(|schema| compile(document, schema)).transpose()?,
            names: Names::of_schema(document, schema.unwrap_or(&Value::Null)),
            errors: errors
                .map_err(|error| error.to_string())?
                .unwrap_or_default(),
        })
    }
}

impl Parameter {
    fn read(document: &Value, parameter: &Value) -> Result<Self, String> {
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
            Kind::Integer => Value::from(text.parse::<i64>().map_err(|_| "violates `type`")?),
            Kind::Boolean => Value::from(text.parse::<bool>().map_err(|_| "violates `type`")?),
        };
        match self.validator.validate(&value) {
            Ok(()) => Ok(value),
            Err(error) => Err(format!("violates `{}`", error.kind().keyword())),
        }
    }
}

fn members<'d>(value: &'d Value, name: &str) -> Result<&'d serde_json::Map<String, Value>, String> {
    value
        .get(name)
        .and_then(Value::as_object)
        .ok_or_else(|| format!("{name} is missing"))
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
fn content_schema<'d>(document: &'d Value, node: Option<&'d Value>) -> Option<&'d Value> {
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

fn check(validator: &Validator, value: &Value) -> Result<(), String> {
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

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;

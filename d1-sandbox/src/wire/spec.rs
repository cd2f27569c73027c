//! The OpenAPI document, read once a process: it decides what is served and what is valid.

use super::names::resolve;
use super::shape::{Parameter, Shape, content_schema};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

static SPEC: LazyLock<Result<Arc<Spec>, String>> = LazyLock::new(|| Spec::read(YAML).map(Arc::new));

const YAML: &str = include_str!("../d1-card-operations.yaml");

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

    pub(crate) fn from_operation_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.operation_id() == id)
    }

    /// Returns the `operationId` in the document.
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
    /// The plaintext of `encryptedData`.
    pub(crate) credentials: Shape,
    /// The claims of an assertion.
    pub(crate) claims: Shape,
    /// The host of production, which clients may name as the audience wherever they call.
    pub(crate) production: String,
    default_reason_code: String,
}

/// One operation of the document with everything that it says about validity.
pub(crate) struct Route {
    pub(crate) call: Call,
    method: Method,
    path: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Shape>,
    responses: Vec<Response>,
}

/// What an operation may respond with by a status, or by a range of them.
struct Response {
    status: String,
    body: Option<Shape>,
    errors: Vec<ErrorRow>,
}

/// A row of `x-d1-errors`.
#[derive(Deserialize)]
struct ErrorRow {
    code: Option<String>,
    #[serde(default)]
    when: Vec<String>,
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
    /// Returns the built-in document.
    pub(crate) fn shared() -> Result<Arc<Self>, String> {
        SPEC.clone()
    }

    /// Returns the whole document.
    pub(crate) fn document(&self) -> Result<Value, String> {
        serde_saphyr::from_str(&self.yaml).map_err(|error| error.to_string())
    }

    /// Returns what D1 takes when no reason code is sent.
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
        let shape = |name: &str| {
            let reference = format!("#/components/schemas/{name}");
            Shape::read(&document, &json!({ "$ref": reference }))
        };
        let servers = document.get("servers").and_then(Value::as_array);
        let production = servers
            .into_iter()
            .flatten()
            .find(|server| server["x-d1-environment"] == "production")
            .and_then(|server| server["url"].as_str()?.split_once("://"));
        let default = document.pointer("/components/schemas/ReasonCode/x-d1-default");
        let default = default.and_then(Value::as_str);
        Ok(Self {
            yaml: yaml.to_owned(),
            routes,
            default_reason_code: default.ok_or("ReasonCode has no default")?.to_owned(),
            credentials: shape("CardCredentials")?,
            claims: shape("AssertionClaims")?,
            production: production.ok_or("no server is production")?.1.to_owned(),
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
}

impl Route {
    fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Result<Self, String> {
        let id = operation
            .get("operationId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let call = Call::from_operation_id(id).ok_or_else(|| format!("{id} is not served"))?;
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|error| error.to_string())?;
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let parameters = parameters
            .into_iter()
            .flatten()
            .map(|parameter| Parameter::read(document, resolve(document, parameter)))
            .collect::<Result<_, _>>()?;
        let body = content_schema(document, operation.get("requestBody"));
        let body = body.map(|schema| Shape::read(document, schema));
        let mut responses = Vec::new();
        for (status, response) in members(operation, "responses")? {
            responses.push(Response::read(document, status, response)?);
        }
        Ok(Self {
            call,
            method,
            path: path.to_owned(),
            parameters,
            body: body.transpose()?,
            responses,
        })
    }

    fn match_path(&self, path: &str) -> Option<Vec<(&str, Option<String>)>> {
        let mut values = Vec::new();
        let mut segments = path.split('/');
        for expected in self.path.split('/') {
            let mut decoded = percent_encoding::percent_decode_str(segments.next()?);
            let name = expected.strip_prefix('{');
            match name.and_then(|name| name.strip_suffix('}')) {
                Some(name) => {
                    let value = decoded.decode_utf8().ok().map(Cow::into_owned);
                    values.push((name, value));
                }
                None if decoded.by_ref().eq(expected.bytes()) => {}
                None => return None,
            }
        }
        segments.next().is_none().then_some(values)
    }

    /// Returns the status of a success, where the document names one.
    pub(crate) fn success_status(&self) -> Option<u16> {
        let success = self.responses.iter().find(|r| r.status.starts_with('2'));
        success.and_then(|response| response.status.parse().ok())
    }

    /// Returns the code of the documented error that applies under these conditions.
    pub(crate) fn error_code(&self, status: u16, when: &[&str]) -> Option<&str> {
        let rows = &self.response(status)?.errors;
        rows.iter().find(|row| row.when == when)?.code.as_deref()
    }

    fn response(&self, status: u16) -> Option<&Response> {
        let exact = status.to_string();
        let range = format!("{}XX", status / 100);
        self.responses
            .iter()
            .find(|response| response.status == exact || response.status == range)
    }

    /// Gives the members of a reply their names in the document, and checks it; the error says how it differs
    /// from the document.
    pub(crate) fn check_reply(&self, status: u16, body: Option<&mut Value>) -> Result<(), String> {
        let response = self
            .response(status)
            .ok_or_else(|| format!("the status {status} is not documented"))?;
        match (&response.body, body) {
            (Some(shape), Some(body)) => {
                shape.names.put_on_wire(body);
                shape.check(body)
            }
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
            body: schema
                .map(|schema| Shape::read(document, schema))
                .transpose()?,
            errors: errors
                .map_err(|error| error.to_string())?
                .unwrap_or_default(),
        })
    }
}

fn members<'d>(value: &'d Value, name: &str) -> Result<&'d serde_json::Map<String, Value>, String> {
    value
        .get(name)
        .and_then(Value::as_object)
        .ok_or_else(|| format!("{name} is missing"))
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;

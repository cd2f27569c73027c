//! The OpenAPI document, read once a process: it decides what is served and what is valid.

use super::shape::{Parameter, Shape};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::error::Error;
use std::sync::{Arc, LazyLock};

static SPEC: LazyLock<Result<Arc<Spec>, String>> = LazyLock::new(|| {
    let read = Spec::read(YAML).map(Arc::new);
    read.map_err(|error| error.to_string())
});

const YAML: &str = include_str!("../d1-card-operations.yaml");

/// Why a document cannot be used.
pub(crate) type SpecError = Box<dyn Error + Send + Sync>;

/// How deep the document may be nested, references followed. Only one that refers to itself is deeper.
const MAX_DEPTH: u8 = 64;

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
    /// The document as it is written.
    pub(crate) document: Value,
    routes: Vec<Route>,
    /// The plaintext of `encryptedData`.
    pub(crate) credentials: Shape,
    /// The claims of an assertion.
    pub(crate) claims: Shape,
    /// The host of production, which clients may name as the audience wherever they call.
    pub(crate) production: String,
    /// What D1 takes when no reason code is sent.
    pub(crate) default_reason_code: String,
}

/// One operation of the document with everything that it says about validity.
pub(crate) struct Route {
    pub(crate) call: Call,
    method: Method,
    path: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Shape>,
    reason_codes: Vec<String>,
    responses: Vec<Response>,
}

/// What an operation may respond with by a status, or by a range of them.
struct Response {
    status: String,
    body: Option<Shape>,
    errors: Vec<ErrorRow>,
}

/// An operation as the document has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
    request_body: Option<Content>,
    responses: Map<String, Value>,
    #[serde(rename = "x-d1-reason-codes", default)]
    reason_codes: Vec<String>,
}

/// A request body or a response as the document has it.
#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    content: Map<String, Value>,
    #[serde(rename = "x-d1-errors", default)]
    errors: Vec<ErrorRow>,
}

#[derive(Deserialize)]
struct ErrorRow {
    code: Option<String>,
    #[serde(default)]
    when: Vec<String>,
}

/// The values of path parameters by name. A value that is not UTF-8 is absent.
pub(crate) type PathValues<'s> = Vec<(&'s str, Option<String>)>;

impl Spec {
    /// Returns the built-in document.
    pub(crate) fn shared() -> Result<Arc<Self>, String> {
        SPEC.clone()
    }

    pub(crate) fn read(yaml: &str) -> Result<Self, SpecError> {
        let document: Value = serde_saphyr::from_str(yaml)?;
        let part = |pointer: &str| {
            let found = document.pointer(pointer);
            found.ok_or_else(|| format!("{pointer} is missing"))
        };
        let resolve = |pointer: &str| resolved(&document, part(pointer)?, MAX_DEPTH);
        let mut routes = Vec::new();
        for (path, item) in resolve("/paths")?.as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation.get("operationId").is_some() {
                    routes.push(Route::read(path, method, operation)?);
                }
            }
        }
        for call in Call::ALL {
            if !routes.iter().any(|route| route.call == call) {
                return Err(format!("{} is missing", call.operation_id()).into());
            }
        }
        let servers = part("/servers")?.as_array().into_iter().flatten();
        let mut servers = servers.filter(|server| server["x-d1-environment"] == "production");
        let production = servers.next().and_then(|server| server["url"].as_str());
        let production = production.and_then(|url| url.split_once("://"));
        let default_reason_code = part("/components/schemas/ReasonCode/x-d1-default")?;
        Ok(Self {
            routes,
            credentials: Shape::new(resolve("/components/schemas/CardCredentials")?)?,
            claims: Shape::new(resolve("/components/schemas/AssertionClaims")?)?,
            production: production.ok_or("no server is production")?.1.to_owned(),
            default_reason_code: default_reason_code.as_str().unwrap_or_default().to_owned(),
            document,
        })
    }

    /// Finds the operation for a method and a path that is still percent-encoded, with the decoded values of its
    /// path parameters. The error has the other methods of the path, none where the path is unknown.
    pub(crate) fn find(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<(&Route, PathValues<'_>), Vec<&str>> {
        let mut others = Vec::new();
        for route in &self.routes {
            if let Some(values) = route.match_path(path) {
                if route.method == method {
                    return Ok((route, values));
                }
                others.push(route.method.as_str());
            }
        }
        Err(others)
    }

    /// Returns whether a reason code is documented for an operation.
    pub(crate) fn documents(&self, call: Call, reason_code: &str) -> bool {
        let route = self.routes.iter().find(|route| route.call == call);
        let mut codes = route.into_iter().flat_map(|route| &route.reason_codes);
        codes.any(|code| code == reason_code)
    }
}

impl Route {
    fn read(path: &str, method: &str, operation: &Value) -> Result<Self, SpecError> {
        let read = Operation::deserialize(operation);
        let Operation {
            operation_id: id,
            parameters,
            request_body,
            responses,
            reason_codes,
        } = read.map_err(|error| format!("{method} {path}: {error}"))?;
        let responses = responses.into_iter().map(|(status, response)| {
            let content = Content::deserialize(response)?;
            Ok(Response {
                status,
                body: content.shape()?,
                errors: content.errors,
            })
        });
        Ok(Self {
            call: Call::from_operation_id(&id).ok_or_else(|| format!("{id} is not served"))?,
            method: method.to_ascii_uppercase().parse()?,
            path: path.to_owned(),
            parameters,
            body: request_body.map_or(Ok(None), |body| body.shape())?,
            reason_codes,
            responses: responses.collect::<Result<_, SpecError>>()?,
        })
    }

    fn match_path(&self, path: &str) -> Option<PathValues<'_>> {
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

    /// Gives the members of a reply their names in the document, and checks it. The error says how it differs
    /// from the document.
    pub(crate) fn check_reply(&self, status: u16, body: Option<&mut Value>) -> Result<(), String> {
        let response = self
            .response(status)
            .ok_or_else(|| format!("the status {status} is not documented"))?;
        match (&response.body, body) {
            (Some(shape), Some(body)) => {
                shape.put_on_wire(body);
                shape.check(body)
            }
            (None, Some(_)) => Err(format!("{status} has no body")),
            (_, None) => Ok(()),
        }
    }
}

impl Content {
    /// Returns the schema of the first content type.
    fn shape(&self) -> Result<Option<Shape>, SpecError> {
        let schema = self.content.values().next().and_then(|c| c.get("schema"));
        Ok(schema.cloned().map(Shape::new).transpose()?)
    }
}

/// Returns a part of the document with each reference replaced by what it refers to. What stands beside a
/// reference is ignored, as in OpenAPI 3.0.
fn resolved(document: &Value, part: &Value, depth: u8) -> Result<Value, SpecError> {
    let depth = depth.checked_sub(1).ok_or("a reference leads to itself")?;
    if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#');
        let target = target.and_then(|pointer| document.pointer(pointer));
        let target = target.ok_or_else(|| format!("{reference} leads nowhere"))?;
        return resolved(document, target, depth);
    }
    match part {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| Ok((name.clone(), resolved(document, value, depth)?)))
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| resolved(document, item, depth))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(part.clone()),
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;

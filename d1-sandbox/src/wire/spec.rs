//! The OpenAPI document, read once a process: it decides what is served and what is valid.

use super::shape::{Parameter, Shape};
use http::Method;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
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

impl TryFrom<String> for Call {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        Self::from_operation_id(&id).ok_or_else(|| format!("{id} is not served"))
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
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Route {
    #[serde(rename = "operationId")]
    pub(crate) call: Call,
    #[serde(skip)]
    method: Method,
    #[serde(skip)]
    path: String,
    #[serde(default)]
    pub(super) parameters: Vec<Parameter>,
    request_body: Option<Content>,
    #[serde(rename = "x-d1-reason-codes", default)]
    reason_codes: Vec<String>,
    /// By a status, or by a range of them.
    responses: BTreeMap<String, Content>,
}

/// The body of a request or a response, and the errors of the latter.
#[derive(Deserialize)]
struct Content {
    #[serde(rename = "content", default, deserialize_with = "first_schema")]
    shape: Option<Shape>,
    #[serde(rename = "x-d1-errors", default)]
    errors: Vec<ErrorRow>,
}

#[derive(Deserialize)]
struct ErrorRow {
    code: Option<String>,
    #[serde(default)]
    when: Vec<String>,
}

/// Deserializes the schema of the first content type.
fn first_schema<'de, D: Deserializer<'de>>(content: D) -> Result<Option<Shape>, D::Error> {
    let content = Map::deserialize(content)?;
    let schema = content
        .values()
        .next()
        .and_then(|first| first.get("schema"));
    schema
        .map(Shape::deserialize)
        .transpose()
        .map_err(D::Error::custom)
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
                    let route = Route::deserialize(operation);
                    routes.push(Route {
                        method: method.to_ascii_uppercase().parse()?,
                        path: path.clone(),
                        ..route.map_err(|error| format!("{method} {path}: {error}"))?
                    });
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
            credentials: Shape::deserialize(resolve("/components/schemas/CardCredentials")?)?,
            claims: Shape::deserialize(resolve("/components/schemas/AssertionClaims")?)?,
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
    /// Returns what the body of a request must be.
    pub(super) fn body(&self) -> Option<&Shape> {
        self.request_body.as_ref()?.shape.as_ref()
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
        let mut statuses = self.responses.keys();
        statuses
            .find(|status| status.starts_with('2'))?
            .parse()
            .ok()
    }

    /// Returns the code of the documented error that applies under these conditions.
    pub(crate) fn error_code(&self, status: u16, when: &[&str]) -> Option<&str> {
        let rows = &self.response(status)?.errors;
        rows.iter().find(|row| row.when == when)?.code.as_deref()
    }

    fn response(&self, status: u16) -> Option<&Content> {
        let exact = self.responses.get(&status.to_string());
        exact.or_else(|| self.responses.get(&format!("{}XX", status / 100)))
    }

    /// Gives the members of a reply their names in the document, and checks it. The error says how it differs
    /// from the document.
    pub(crate) fn check_reply(&self, status: u16, body: Option<&mut Value>) -> Result<(), String> {
        let response = self
            .response(status)
            .ok_or_else(|| format!("the status {status} is not documented"))?;
        match (&response.shape, body) {
            (Some(shape), Some(body)) => {
                shape.put_on_wire(body);
                shape.check(body)
            }
            (None, Some(_)) => Err(format!("{status} has no body")),
            (_, None) => Ok(()),
        }
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

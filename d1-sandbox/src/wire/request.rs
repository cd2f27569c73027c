//! Checks one request against the OpenAPI document before anything else looks at it.

use super::refusal::Refusal;
use super::shape::{Parameter, Place};
use super::spec::{Call, PathValues, Route};
use super::strict_json::{self, StrictJsonError};
use crate::pan;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

/// The longest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// What RFC 6749 and RFC 7523 define for the token call: none may come twice. What they do not define is
/// ignored, however often it comes.
const TOKEN_PARAMETERS: [&str; 4] = ["grant_type", "assertion", "scope", "client_id"];

const CARD_NUMBER: &str = "looks like a card number, which may travel in encryptedData alone";

/// A request as it came in.
pub(crate) struct RawRequest<'r> {
    pub(crate) parts: &'r Parts,
    path_values: PathValues<'r>,
    pub(crate) has_body: bool,
    /// The body, or why it cannot be read.
    pub(crate) body: Result<Body, String>,
}

/// A body that was read.
pub(crate) struct Body {
    pub(crate) value: Value,
    /// It is an object, here or below, with a name that stands twice.
    pub(crate) has_repeated_names: bool,
}

/// A request that the document allows.
pub(crate) struct ValidRequest<'r> {
    route: &'r Route,
    parameters: Vec<(&'r Parameter, Value)>,
    body: &'r Value,
}

impl<'r> RawRequest<'r> {
    /// Reads a request. The body is absent if it was too long or broke off.
    pub(crate) fn new(
        parts: &'r Parts,
        path_values: PathValues<'r>,
        call: Call,
        bytes: Option<&[u8]>,
    ) -> Self {
        Self {
            parts,
            path_values,
            has_body: bytes.is_none_or(|bytes| !bytes.is_empty()),
            body: read_body(call, &parts.headers, bytes),
        }
    }

    /// Returns the value of a path parameter.
    pub(crate) fn path_value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.path_values.iter().find(|(found, _)| *found == name)?;
        value.as_deref()
    }

    /// Returns the query, decoded; `None` if it is not UTF-8.
    pub(super) fn query(&self) -> Option<Vec<(String, String)>> {
        pairs(self.parts.uri.query().unwrap_or_default().as_bytes())
    }

    /// Checks the request. A refusal names the place and the rule, and never a value.
    pub(crate) fn check(&'r self, route: &'r Route) -> Result<ValidRequest<'r>, Refusal> {
        let query = self.query();
        let query = query.ok_or_else(|| Refusal::new(400, "query: not UTF-8"))?;
        self.refuse_card_numbers(&query)?;
        let mut parameters = Vec::new();
        for parameter in &route.parameters {
            let value = self
                .value_of(parameter, &query)
                .map_err(|rule| Refusal::new(400, format!("{parameter}: {rule}")))?;
            parameters.extend(value.map(|value| (parameter, value)));
        }
        let mut body = &Value::Null;
        if let Some(shape) = route.body() {
            let wrong = |rule: &str| Refusal::new(400, format!("body: {rule}"));
            body = match &self.body {
                Ok(body) => &body.value,
                Err(rule) => return Err(wrong(rule)),
            };
            // An assertion is random in the same way as a token.
            if route.call != Call::Token && pan::json_contains_pan(body) {
                return Err(wrong(CARD_NUMBER));
            }
            shape.check(body).map_err(|rule| wrong(&rule))?;
        }
        Ok(ValidRequest {
            route,
            parameters,
            body,
        })
    }

    /// Reads and checks the value of a parameter, or takes its default.
    fn value_of(
        &self,
        parameter: &Parameter,
        query: &[(String, String)],
    ) -> Result<Option<Value>, String> {
        let name = parameter.name.as_str();
        let given: Vec<Option<&str>> = match parameter.place {
            Place::Path => vec![self.path_value(name)],
            Place::Query => {
                let named = query.iter().filter(|(found, _)| found == name);
                named.map(|(_, value)| Some(value.as_str())).collect()
            }
            Place::Header => {
                let values = self.parts.headers.get_all(name).iter();
                values.map(|value| value.to_str().ok()).collect()
            }
        };
        match given[..] {
            [] if parameter.required => Err("missing".to_owned()),
            [] => Ok(parameter.default().cloned()),
            [Some(value)] => parameter.check(value).map(Some),
            [None] if parameter.place == Place::Header => Err("not ASCII".to_owned()),
            [None] => Err("not UTF-8".to_owned()),
            [..] => Err("given more than once".to_owned()),
        }
    }

    fn refuse_card_numbers(&self, query: &[(String, String)]) -> Result<(), Refusal> {
        let refused = |place: String| Err(Refusal::new(400, format!("{place}: {CARD_NUMBER}")));
        for (name, value) in &self.path_values {
            if value.as_deref().is_some_and(pan::contains_pan) {
                return refused(format!("path parameter {name}"));
            }
        }
        let mut texts = query.iter().flat_map(|(name, value)| [name, value]);
        if texts.any(|text| pan::contains_pan(text)) {
            return refused("query".to_owned());
        }
        for (name, value) in &self.parts.headers {
            let text = value.to_str().unwrap_or_default();
            // Tokens are random: what looks like a card number in them is none.
            if name != AUTHORIZATION && pan::contains_pan(text) {
                return refused(format!("header {name}"));
            }
        }
        Ok(())
    }
}

impl ValidRequest<'_> {
    fn parameter(&self, name: &str) -> Option<&Value> {
        let mut parameters = self.parameters.iter();
        let (_, value) = parameters.find(|(parameter, _)| parameter.is_called(name))?;
        Some(value)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        let value = self.parameter(name).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let number = self.parameter(name).and_then(Value::as_u64)?;
        // An offset beyond what this machine can count is beyond every list as well.
        Some(usize::try_from(number).unwrap_or(usize::MAX))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| *value == true)
    }

    /// Returns a text of the body, by what the sandbox calls it.
    pub(crate) fn body_text(&self, name: &str) -> Option<&str> {
        let name = self.route.body()?.on_wire(name);
        self.body.get(name)?.as_str()
    }
}

/// Reads a body: JSON, and for the token call a form as well, which becomes an object. The error says what is
/// wrong.
fn read_body(call: Call, headers: &HeaderMap, bytes: Option<&[u8]>) -> Result<Body, String> {
    const NOT_JSON: &str = "not JSON in UTF-8";
    let bytes = bytes.ok_or("incomplete, or longer than 64 KiB")?;
    let mut has_repeated_names = false;
    let value = match content_type(headers).as_deref() {
        Some("application/json") => strict_json::parse(bytes).or_else(|error| {
            has_repeated_names = error == StrictJsonError::RepeatedName;
            // Other readers take the last one, and so does this one.
            let lenient = has_repeated_names.then(|| serde_json::from_slice(bytes).ok());
            lenient.flatten().ok_or(NOT_JSON)
        })?,
        Some(FORM) if call == Call::Token => {
            let mut form = Map::new();
            for (name, value) in pairs(bytes).ok_or("not UTF-8")? {
                let is_defined = TOKEN_PARAMETERS.contains(&name.as_str());
                if form.insert(name, Value::from(value)).is_some() && is_defined {
                    return Err("a parameter is given more than once".to_owned());
                }
            }
            Value::Object(form)
        }
        _ => return Err("the content type is missing or not supported".to_owned()),
    };
    Ok(Body {
        value,
        has_repeated_names,
    })
}

/// Returns whether the body is declared as a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers).as_deref() == Some(FORM)
}

/// Returns the media type without its parameters, in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

/// Splits a query or a form; `None` if a name or value is not UTF-8.
fn pairs(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let decode = |bytes: &[u8]| {
        let spaced: Vec<u8> = bytes
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        let decoded = percent_decode(&spaced).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            Some((name, decode(halves.next().unwrap_or_default())?))
        })
        .collect()
}

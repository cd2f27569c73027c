//! Checks one request against the OpenAPI document before anything else looks at it.

use super::names::Names;
use super::refusal::Refusal;
use super::shape::{Place, Shape};
use super::spec::{Call, Route};
use super::strict_json::{self, StrictJsonError};
use crate::pan;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

/// The longest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// A request as it came in.
pub(crate) struct RawRequest<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
    /// The body, or why it cannot be read.
    pub(crate) body: Result<&'r Value, &'r str>,
    pub(crate) has_body: bool,
    /// The body is an object, here or below, with a name that stands twice.
    pub(crate) has_repeated_names: bool,
}

/// A body that was read: the value, and whether an object of it has a name twice.
pub(crate) type Body = (Value, bool);

/// A valid request: parameters by their names, and the body.
#[derive(Debug, Default)]
pub(crate) struct ValidRequest<'r> {
    /// By the sandbox's own names.
    parameters: Vec<(&'r str, Value)>,
    body: Option<(&'r Value, &'r Names)>,
}

impl ValidRequest<'_> {
    fn parameter(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.parameters.iter().find(|(found, _)| *found == name)?;
        Some(value)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.parameter(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let number = self.parameter(name).and_then(Value::as_u64)?;
        // An offset beyond what this machine can count is beyond every list as well.
        Some(usize::try_from(number).unwrap_or(usize::MAX))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameter(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    pub(crate) fn body_text(&self, name: &str) -> Option<&str> {
        let (body, names) = self.body?;
        body.get(names.on_wire(name)).and_then(Value::as_str)
    }
}

/// Checks a request; a refusal names the place and the rule, and never a value.
pub(crate) fn check<'r>(
    route: &'r Route,
    path: &[(&str, Option<String>)],
    raw: &RawRequest<'r>,
) -> Result<ValidRequest<'r>, Refusal> {
    let query = pairs(raw.query.unwrap_or_default().as_bytes())
        .ok_or_else(|| Refusal::bad_request("query: not UTF-8"))?;
    refuse_card_numbers(path, &query, raw.headers)?;
    let mut valid = ValidRequest::default();
    for parameter in &route.parameters {
        let name = parameter.name.as_str();
        let place = match parameter.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        };
        let wrong = |rule: &str| Refusal::bad_request(format!("{place} parameter {name}: {rule}"));
        let value = match parameter.place {
            Place::Path => {
                let found = path.iter().find(|(found, _)| *found == name);
                let value = found.and_then(|(_, value)| value.as_deref());
                Some(value.ok_or_else(|| wrong("not UTF-8"))?)
            }
            Place::Query => {
                let mut found = query.iter().filter(|(found, _)| found == name);
                let value = found.next().map(|(_, value)| value.as_str());
                if found.next().is_some() {
                    return Err(wrong("given more than once"));
                }
                value
            }
            Place::Header => {
                let mut found = raw.headers.get_all(name).iter();
                let value = found.next().map(|value| value.to_str());
                if found.next().is_some() {
                    return Err(wrong("given more than once"));
                }
                value.transpose().map_err(|_| wrong("not ASCII"))?
            }
        };
        match value {
            Some(value) => {
                let value = parameter.check(value).map_err(|rule| wrong(&rule))?;
                valid.parameters.push((&parameter.own_name, value));
            }
            None if parameter.required => return Err(wrong("missing")),
            None => {
                let default = parameter.default.clone();
                let default = default.map(|value| (parameter.own_name.as_str(), value));
                valid.parameters.extend(default);
            }
        }
    }
    if let Some(shape) = &route.body {
        let body = checked_body(route.call, shape, raw)?;
        valid.body = Some((body, &shape.names));
    }
    Ok(valid)
}

fn refuse_card_numbers(
    path: &[(&str, Option<String>)],
    query: &[(String, String)],
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let found = |place: &str| {
        Err(Refusal::bad_request(format!(
            "{place}: looks like a card number, which may travel in encryptedData alone"
        )))
    };
    for (name, value) in path {
        if value.as_deref().is_some_and(pan::contains_pan) {
            return found(&format!("path parameter {name}"));
        }
    }
    if query
        .iter()
        .any(|(name, value)| pan::contains_pan(name) || pan::contains_pan(value))
    {
        return found("query");
    }
    for (name, value) in headers {
        let text = value.to_str().unwrap_or_default();
        // Tokens are random: what looks like a card number in them is none.
        if name != AUTHORIZATION && pan::contains_pan(text) {
            return found(&format!("header {name}"));
        }
    }
    Ok(())
}

fn checked_body<'r>(call: Call, shape: &Shape, raw: &RawRequest<'r>) -> Result<&'r Value, Refusal> {
    let wrong = |rule: &str| Refusal::bad_request(format!("body: {rule}"));
    let body = raw.body.map_err(wrong)?;
    // An assertion is random in the same way as a token.
    if call != Call::Token && pan::json_contains_pan(body) {
        return Err(wrong(
            "looks like a card number, which may travel in encryptedData alone",
        ));
    }
    shape.check(body).map_err(|rule| wrong(&rule))?;
    Ok(body)
}

/// Reads the body of a request, absent if it was too long or broke off: JSON, and for the token call a form as
/// well, which becomes an object. The error says what is wrong.
pub(crate) fn read_body(
    call: Call,
    headers: &HeaderMap,
    bytes: Option<&[u8]>,
) -> Result<Body, String> {
    let bytes = bytes.ok_or("incomplete, or longer than 64 KiB")?;
    match content_type(headers).as_deref() {
        Some("application/json") => match strict_json::parse(bytes) {
            Ok(value) => Ok((value, false)),
            // Other readers take the last one, and so does this one.
            Err(StrictJsonError::RepeatedName) => serde_json::from_slice(bytes)
                .map(|value| (value, true))
                .map_err(|_| NOT_JSON.to_owned()),
            Err(StrictJsonError::Malformed) => Err(NOT_JSON.to_owned()),
        },
        Some(FORM) if call == Call::Token => {
            let mut form = Map::new();
            for (name, value) in pairs(bytes).ok_or("not UTF-8")? {
                let is_defined = TOKEN_PARAMETERS.contains(&name.as_str());
                if form.insert(name, Value::from(value)).is_some() && is_defined {
                    return Err("a parameter is given more than once".to_owned());
                }
            }
            Ok((Value::Object(form), false))
        }
        _ => Err("the content type is missing or not supported".to_owned()),
    }
}

/// Returns whether the body is declared as a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers).as_deref() == Some(FORM)
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Returns the media type without its parameters, in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

/// What RFC 6749 and RFC 7523 define for the token call: none may come twice. What they do not define is
/// ignored, however often it comes.
const TOKEN_PARAMETERS: [&str; 4] = ["grant_type", "assertion", "scope", "client_id"];

const NOT_JSON: &str = "not JSON in UTF-8";

/// Splits a query or a form; `None` if a name or value is not UTF-8.
pub(crate) fn pairs(bytes: &[u8]) -> Option<Vec<(String, String)>> {
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

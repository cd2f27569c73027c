//! Was a change carried out? What D1's answer to it proves, once its status says success.
//!
//! D1 documents no body of a success. What it may plausibly answer counts: nothing, a JSON object, a short text. What
//! speaks of an error, is a page, or says that D1 has not finished leaves the outcome unknown, to be
//! [reconciled](crate::Client::reconcile). An unknown outcome costs a look at the list of operations. A success that
//! is none costs a card that was never suspended.
//!
#![doc = include_str!("answers.md")]

use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::error::ResponseFault;
use crate::json::{self, JsonFault, objects};
use crate::values::{OperationId, OperationStatus};

/// The longest text that is taken for a confirmation.
const LONGEST_CONFIRMATION: usize = 200;

/// What the name of a member has that reports an error.
const ERROR_NAMES: [&str; 8] = [
    "error",
    "fault",
    "exception",
    "fail",
    "denied",
    "forbidden",
    "refuse",
    "reject",
];

/// What a text has, beside those, that reports an error.
const ERROR_WORDS: [&str; 15] = [
    "block",
    "denial",
    "deny",
    "expired",
    "invalid",
    "maintenance",
    "not allowed",
    "not found",
    "try again",
    "timed out",
    "timeout",
    "too many",
    "unauthori",
    "unavailable",
    "upstream",
];

/// The members in which a gateway says what it has to say.
const MESSAGES: [&str; 5] = ["message", "msg", "detail", "title", "description"];

/// What the name of a member ends with that tells an outcome.
const OUTCOMES: [&str; 4] = ["status", "state", "result", "outcome"];

/// What the body of a successful answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Empty,
    Object,
    Successful,
    ShortText,
    Pending,
    Failed,
    OtherStatus,
    ReportsError,
    OtherJson,
    BrokenJson,
    Contradictory,
    Page,
    OtherText,
    NoText,
}

impl Shape {
    /// Returns why an answer of this shape proves nothing, as the table above says; `None` where it proves that the
    /// change was carried out.
    fn why_unknown(self) -> Option<&'static str> {
        Some(match self {
            Self::Empty | Self::Object | Self::Successful | Self::ShortText => return None,
            Self::Pending => "D1 accepted the change and has not finished it",
            Self::Failed => "the status says success, and the body says that the change failed",
            Self::OtherStatus => "the body has a status that this version does not know",
            Self::ReportsError => "the status says success, and the body reports an error",
            Self::OtherJson => "the body is JSON, but no object",
            Self::BrokenJson => "the body is cut short, or is no JSON",
            Self::Contradictory => "the body contradicts itself",
            Self::Page => "the body is a page: a firewall or a proxy has answered in D1's place",
            Self::OtherText => "the body is text, and not a short confirmation",
            Self::NoText => "the body is no text",
        })
    }
}

/// Reads the answer to a change: the members of its JSON object, where it is one that proves the change.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, ResponseFault> {
    let (shape, fields) = shape(headers, body);
    match shape.why_unknown() {
        None => Ok(fields),
        Some(why) => Err(ResponseFault::new(why).with_operation_id(operation_id(&fields))),
    }
}

/// The operation that an answer names. That it does so at all is not documented.
pub(super) fn operation_id(fields: &Map<String, Value>) -> Option<OperationId> {
    Some(OperationId::returned(fields.get("operationId")?.as_str()?))
}

/// The status that an answer has.
pub(super) fn status(fields: &Map<String, Value>) -> Option<OperationStatus> {
    Some(OperationStatus::from_wire(fields.get("status")?.as_str()?))
}

fn shape(headers: &HeaderMap, body: &[u8]) -> (Shape, Map<String, Value>) {
    let label = Label::of(headers);
    let body = json::without_byte_order_mark(body).trim_ascii();
    let alone = |shape| (shape, Map::new());
    if body.is_empty() {
        return alone(Shape::Empty);
    }
    if is_encoded(headers) {
        return alone(Shape::NoText);
    }
    if label == Label::Page {
        return alone(Shape::Page);
    }
    match json::object(body) {
        Ok(fields) => (shape_of_object(&fields, label), fields),
        Err(JsonFault::NoObject) => alone(Shape::OtherJson),
        Err(JsonFault::Contradictory) => alone(Shape::Contradictory),
        Err(JsonFault::Malformed) => alone(shape_of_text(body, label)),
    }
}

fn shape_of_object(fields: &Map<String, Value>, label: Label) -> Shape {
    if label == Label::Problem || reports_error(fields) {
        return Shape::ReportsError;
    }
    if fields.values().any(has_markup) {
        return Shape::Page;
    }
    let stated = fields
        .iter()
        .filter(|(name, value)| is_status(name) && !value.is_null());
    let own = stated.map(|(_, value)| shape_of_status(value));
    // The worst of them counts: what says that the change is done comes first in `Shape`.
    own.chain(not_done_within(fields))
        .max()
        .unwrap_or(Shape::Object)
}

fn shape_of_status(value: &Value) -> Shape {
    match value.as_str().map(OperationStatus::from_wire) {
        Some(OperationStatus::Successful) => Shape::Successful,
        Some(OperationStatus::Pending) => Shape::Pending,
        Some(OperationStatus::Failed) => Shape::Failed,
        Some(OperationStatus::Unknown(_)) | None => Shape::OtherStatus,
    }
}

/// What an answer says, at any depth, in a member that tells an outcome. It may be that of something else, such as
/// the card, unless it is one of an operation that is not done.
fn not_done_within(fields: &Map<String, Value>) -> Option<Shape> {
    let shape = |(name, value): (&String, &Value)| match shape_of_status(value) {
        not_done @ (Shape::Pending | Shape::Failed) if tells_outcome(name) => Some(not_done),
        _ => objects(value).into_iter().filter_map(not_done_within).max(),
    };
    fields.iter().filter_map(shape).max()
}

fn is_status(name: &str) -> bool {
    name.eq_ignore_ascii_case("status")
}

/// Whether a member tells the result of a change, or the state of the card: `operationStatus`, `result`.
fn tells_outcome(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OUTCOMES.iter().any(|word| name.ends_with(word))
}

/// Whether an object has, at any depth, a member that reports an error.
pub(super) fn reports_error(fields: &Map<String, Value>) -> bool {
    fields.iter().any(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let is_number = name == "code" || name.ends_with("status") || name.ends_with("statuscode");
        *value == Value::Bool(false) && (name == "ok" || name.starts_with("success"))
            || is_number && is_error_status(value)
            || !matches!(value, Value::Null | Value::Bool(false)) && names_error(&name)
            || MESSAGES.contains(&name.as_str()) && value.as_str().is_some_and(speaks_of_error)
            || !is_status(&name) && tells_outcome(&name) && value.as_str().is_some_and(names_error)
            || objects(value).into_iter().any(reports_error)
    })
}

fn is_error_status(value: &Value) -> bool {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.is_some_and(|number| (300..600).contains(&number))
}

/// Whether a text has a word for an error.
fn names_error(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace("default", "");
    ERROR_NAMES.iter().any(|word| name.contains(word))
}

/// Whether a text speaks of an error, or is what HTTP calls a status that is no success.
fn speaks_of_error(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let mut names =
        (300..600).filter_map(|status| StatusCode::from_u16(status).ok()?.canonical_reason());
    names_error(&text)
        || ERROR_WORDS.iter().any(|word| text.contains(word))
        || names.any(|name| name.eq_ignore_ascii_case(&text))
}

/// Whether a value is a page, or holds one.
fn has_markup(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim_start().starts_with('<'),
        Value::Object(fields) => fields.values().any(has_markup),
        Value::Array(items) => items.iter().any(has_markup),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn shape_of_text(body: &[u8], label: Label) -> Shape {
    let Ok(text) = std::str::from_utf8(body) else {
        return Shape::NoText;
    };
    let is_space = |c: char| matches!(c, '\r' | '\n' | '\t');
    if text.chars().any(|c| c.is_control() && !is_space(c)) {
        return Shape::NoText;
    }
    if text.contains(['<', '>']) {
        return Shape::Page;
    }
    if text.starts_with('"') || text.contains(['{', '}', '[', ']']) {
        return Shape::BrokenJson;
    }
    match label {
        Label::Plain if speaks_of_error(text) => Shape::ReportsError,
        Label::Plain if text.chars().count() <= LONGEST_CONFIRMATION => Shape::ShortText,
        Label::Plain | Label::Page | Label::Problem | Label::Other => Shape::OtherText,
    }
}

/// What a body is labelled, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    /// None, or one that an API may give to JSON and to text.
    Plain,
    /// HTML or XML.
    Page,
    /// An error in JSON (RFC 9457).
    Problem,
    Other,
}

impl Label {
    fn of(headers: &HeaderMap) -> Self {
        let mut labels = headers
            .get_all(header::CONTENT_TYPE)
            .iter()
            .map(|value| Self::of_type(&String::from_utf8_lossy(value.as_bytes())));
        let first = labels.next().unwrap_or(Self::Plain);
        // Who labels a body twice, and once as a page, has not answered for D1.
        labels.fold(
            first,
            |label, other| {
                if other == Self::Page { other } else { label }
            },
        )
    }

    fn of_type(text: &str) -> Self {
        let text = text.split(';').next().unwrap_or_default();
        let text = text.trim().to_ascii_lowercase();
        match text.as_str() {
            "application/problem+json" => Self::Problem,
            "" | "text/plain" | "application/json" | "text/json" | "application/octet-stream" => {
                Self::Plain
            }
            html if html.contains("html") || html.ends_with("xml") => Self::Page,
            json if json.ends_with("+json") => Self::Plain,
            _ => Self::Other,
        }
    }
}

/// Whether the body is compressed: the client asks for no such thing, and reads none.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use http::HeaderValue;

    use super::*;

    const ALL: [Shape; 14] = [
        Shape::Empty,
        Shape::Object,
        Shape::Successful,
        Shape::ShortText,
        Shape::Pending,
        Shape::Failed,
        Shape::OtherStatus,
        Shape::ReportsError,
        Shape::OtherJson,
        Shape::BrokenJson,
        Shape::Contradictory,
        Shape::Page,
        Shape::OtherText,
        Shape::NoText,
    ];

    /// The body that an example of the table stands for.
    fn example(cell: &str) -> Vec<u8> {
        let mut parts = cell.split('`');
        let text = parts.nth(1).unwrap();
        let times = parts.next().unwrap().trim().strip_prefix("× ");
        let text = text.repeat(times.map_or(1, |times| times.parse().unwrap()));
        match text.strip_prefix("\\x") {
            Some(bytes) => bytes
                .split("\\x")
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect(),
            None => text.into_bytes(),
        }
    }

    #[test]
    fn the_table_that_users_read_is_what_the_code_does() {
        let mut shapes = BTreeSet::new();
        for row in include_str!("answers.md").lines().skip(2) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [_, content_type, body, reading, why] = cells.as_slice() else {
                unreachable!("five columns: {row}");
            };
            let mut headers = HeaderMap::new();
            if content_type.starts_with("HTML") {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            }
            let (shape, _) = shape(&headers, &example(body));
            shapes.insert(shape);
            match shape.why_unknown() {
                None => assert_eq!(*reading, "carried out", "{row}"),
                Some(reason) => assert_eq!((*reading, *why), ("unknown", reason), "{row}"),
            }
        }
        assert_eq!(shapes, BTreeSet::from(ALL), "each shape has a row");
    }

    #[test]
    fn the_operation_that_an_answer_names_is_kept_although_it_proves_nothing() {
        let body = br#"{"operationId":"op-1","status":"PENDING"}"#;
        let fault = read(&HeaderMap::new(), body).unwrap_err();
        assert_eq!(fault.operation_id().unwrap().as_str(), "op-1");
    }
}

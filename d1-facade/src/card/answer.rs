//! Was a change carried out? What D1's answer to it proves, once its status says success.
//!
//! D1 documents no body of a success. What it may plausibly answer counts; what shows that somebody else has
//! answered, or that D1 did not finish, leaves the outcome unknown, to be [reconciled](crate::Client::reconcile). An
//! unknown outcome costs a look at the list of operations. A success that is none costs a card that was
//! never suspended.
//!
#![doc = include_str!("answers.md")]

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::OperationStatus;
use crate::error::ResponseFault;
use crate::json::{self, JsonFault};
use crate::text::OperationId;

/// The longest text that is taken for a confirmation.
const LONGEST_CONFIRMATION: usize = 200;

/// How the names of members begin that report an error.
const ERROR_NAMES: [&str; 3] = ["error", "fault", "exception"];

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

/// What an answer proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    CarriedOut,
    /// Nothing, for this reason.
    Unknown(&'static str),
}

impl Shape {
    /// What an answer of this shape proves: the table above.
    fn reading(self) -> Reading {
        match self {
            Self::Empty | Self::Object | Self::Successful | Self::ShortText => Reading::CarriedOut,
            Self::Pending => Reading::Unknown("D1 accepted the change and has not finished it"),
            Self::Failed => Reading::Unknown(
                "the status says success, and the body says that the change failed",
            ),
            Self::OtherStatus => {
                Reading::Unknown("the body has a status that this version does not know")
            }
            Self::ReportsError => {
                Reading::Unknown("the status says success, and the body reports an error")
            }
            Self::OtherJson => Reading::Unknown("the body is JSON, but no object"),
            Self::BrokenJson => Reading::Unknown("the body is cut short, or is no JSON"),
            Self::Contradictory => Reading::Unknown("the body contradicts itself"),
            Self::Page => Reading::Unknown(
                "the body is a page: a firewall or a proxy has answered in D1's place",
            ),
            Self::OtherText => Reading::Unknown("the body is text, and not a short confirmation"),
            Self::NoText => Reading::Unknown("the body is no text"),
        }
    }
}

/// Reads the answer to a change: the members of its JSON object, where it is one that proves the change.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, ResponseFault> {
    let (shape, fields) = shape(headers, body);
    match shape.reading() {
        Reading::CarriedOut => Ok(fields),
        Reading::Unknown(why) => {
            Err(ResponseFault::new(why).with_operation_id(operation_id(&fields)))
        }
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
    let reports_error = |(name, value): (&String, &Value)| {
        let name = name.to_ascii_lowercase();
        !value.is_null() && ERROR_NAMES.iter().any(|error| name.starts_with(error))
    };
    if label == Label::Problem || fields.iter().any(reports_error) {
        return Shape::ReportsError;
    }
    match fields.get("status") {
        None | Some(Value::Null) => Shape::Object,
        Some(_) => match status(fields) {
            Some(OperationStatus::Successful) => Shape::Successful,
            Some(OperationStatus::Pending) => Shape::Pending,
            Some(OperationStatus::Failed) => Shape::Failed,
            Some(OperationStatus::Unknown(_)) | None => Shape::OtherStatus,
        },
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
            match shape.reading() {
                Reading::CarriedOut => assert_eq!(*reading, "carried out", "{row}"),
                Reading::Unknown(reason) => {
                    assert_eq!((*reading, *why), ("unknown", reason), "{row}");
                }
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

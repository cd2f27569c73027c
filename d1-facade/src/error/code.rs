//! The code of an error, in whatever shape it comes.
//!
//! D1 documents that an error has an `errorCode` at times, and a gateway may wrap it, so it is found in other shapes
//! too. A code is shown only if it reads like one: a server may send back there what it was sent.

use serde_json::{Map, Value};

use crate::json::objects;
use crate::redact::card_number::looks_like_card_number;

/// Returns the code that the body of an error gives.
///
/// `errorCode` is documented. Where D1 sends none, a member of that name in another spelling or one named `code`
/// is taken, the nearest to the top: it may be D1's, and what it means must not be guessed then. What is no
/// text and no number is returned as JSON.
pub(super) fn find(fields: &Map<String, Value>) -> Option<String> {
    let mut level = vec![fields];
    while !level.is_empty() {
        let names: [fn(&str) -> bool; 3] = [
            |name| name == "errorCode",
            |name| bare(name) == "errorcode",
            |name| bare(name) == "code",
        ];
        for is_wanted in names {
            let members = level.iter().flat_map(|fields| fields.iter());
            let mut values = members.filter(|(name, _)| is_wanted(name));
            if let Some(code) = values.find_map(|(_, value)| text(value)) {
                return Some(code);
            }
        }
        let values = level.iter().flat_map(|fields| fields.values());
        level = values.flat_map(objects).collect();
    }
    let code = fields.get("errorCode").filter(|code| !code.is_null());
    code.map(Value::to_string).filter(|code| code != "\"\"")
}

/// Returns whether a member of an error body is one that D1 documents, in whatever spelling.
pub(super) fn is_documented_member(name: &str, value: &Value) -> bool {
    matches!(bare(name).as_str(), "error" | "errorcode") && !value.is_null()
}

/// Returns the letters and digits of a name, in lower case.
fn bare(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns a code as text; `None` for what can be no code.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns whether a code may be shown.
///
/// A server that sends back what it was sent must not get it into our output by way of the code: digits of
/// a card, or a random text such as a token, which has small and capital letters and digits.
pub(super) fn reads_like_a_code(code: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&code.len())
        && code.chars().all(allowed)
        && code.bytes().filter(u8::is_ascii_digit).count() <= 8
        && !looks_like_card_number(code)
        && !(code.len() > 20 && is_mixed(code))
}

/// Returns whether a code has small and capital letters and digits.
fn is_mixed(code: &str) -> bool {
    let kinds: [fn(&u8) -> bool; 3] = [
        u8::is_ascii_lowercase,
        u8::is_ascii_uppercase,
        u8::is_ascii_digit,
    ];
    kinds.iter().all(|kind| code.as_bytes().iter().any(kind))
}

//! Masks what looks like a secret, whether or not the client holds it.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::REDACTED;
use super::card_number::{find_card_numbers, find_long_numbers};

const DIGITS: &str = "[digits]";
const TOKEN: &str = "[token]";

/// Fields whose value is always a secret: the names of OAuth and of card data in D1.
const SECRET_FIELDS: [&str; 12] = [
    "access_token",
    "refresh_token",
    "assertion",
    "client_assertion",
    "authorization",
    "encryptedData",
    "pan",
    "exp",
    "psn",
    "cvv",
    "auxiliaryPan",
    "auxiliaryExp",
];

/// A JWT or JWE, or the header of one: the base64url of a JSON object. A bearer token in what is sent as
/// `Authorization`, if it is no plain word.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let jwt = r"eyJ[A-Za-z0-9_=.-]{13,}|e[w-z][A-Za-z0-9_=-]{14,}(?:\.[A-Za-z0-9_=-]*){2,4}";
    let name = r"[Bb][Ee][Aa][Rr][Ee][Rr]";
    let bearer =
        r#"(?:%20|[ \t:="'+])+([A-Za-z0-9._~+/=%-]{16,}|[A-Za-z]*[0-9][A-Za-z0-9._~+/=%-]{5,})"#;
    Regex::new(&format!("{jwt}|{name}{bearer}")).ok()
});

/// Masks a text of a server: numbers of more than seven digits, and tokens.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    let text = mask_id(text);
    let found = find_long_numbers(&text);
    replaced(text, &found, DIGITS)
}

/// Masks an id of a server: card numbers and tokens. Other long numbers stay.
pub(crate) fn mask_id(text: &str) -> Cow<'_, str> {
    let text = replaced(Cow::Borrowed(text), &find_tokens(text), TOKEN);
    let found = find_card_numbers(&text);
    replaced(text, &found, DIGITS)
}

/// Returns the names of fields, masked, for what must not show their values.
pub(crate) fn mask_names(fields: &Map<String, Value>) -> Vec<Cow<'_, str>> {
    fields.keys().map(|name| mask(name)).collect()
}

/// Masks the fields of a server's error.
pub(crate) fn mask_fields(fields: Map<String, Value>) -> Map<String, Value> {
    masked_fields(fields, mask)
}

/// Masks the fields of an operation, whose long numbers may be ids.
pub(crate) fn mask_ids(fields: Map<String, Value>) -> Map<String, Value> {
    masked_fields(fields, mask_id)
}

/// Masks a value whose long numbers may be ids.
pub(crate) fn mask_value(value: Value) -> Value {
    masked_value(value, mask_id)
}

type Mask = fn(&str) -> Cow<'_, str>;

fn masked_fields(fields: Map<String, Value>, mask: Mask) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| {
            let is_secret = SECRET_FIELDS.iter().any(|s| s.eq_ignore_ascii_case(&name));
            let value = match is_secret && (value.is_string() || value.is_number()) {
                true => REDACTED.into(),
                false => masked_value(value, mask),
            };
            (mask(&name).into_owned(), value)
        })
        .collect()
}

fn masked_value(value: Value, mask: Mask) -> Value {
    match value {
        Value::String(text) => mask(&text).into(),
        Value::Number(number) => match mask(&number.to_string()) {
            Cow::Borrowed(_) => number.into(),
            Cow::Owned(masked) => masked.into(),
        },
        Value::Array(items) => {
            let items = items.into_iter();
            items.map(|item| masked_value(item, mask)).collect()
        }
        Value::Object(fields) => masked_fields(fields, mask).into(),
        Value::Null | Value::Bool(_) => value,
    }
}

fn find_tokens(text: &str) -> Vec<Range<usize>> {
    let found = TOKENS.iter().flat_map(|tokens| tokens.captures_iter(text));
    // Of a bearer token, what follows the word.
    let range = |found: regex::Captures<'_>| Some(found.get(1).or_else(|| found.get(0))?.range());
    found.filter_map(range).collect()
}

/// Returns the text with `mask` instead of what was found.
fn replaced<'a>(text: Cow<'a, str>, found: &[Range<usize>], mask: &str) -> Cow<'a, str> {
    if found.is_empty() {
        return text;
    }
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for range in found {
        masked.push_str(text.get(from..range.start).unwrap_or_default());
        masked.push_str(mask);
        from = range.end;
    }
    masked.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_masked_whatever_divides_them() {
        for (text, masked) in [
            ("pan 4111111111111111!", "pan [digits]!"),
            ("pan 4111 1111 1111 1111!", "pan [digits]!"),
            ("pan=4111-1111-1111-1111;exp", "pan=[digits];exp"),
            ("4111 - 1111 - 1111 - 1111 and 7", "[digits] and 7"),
            ("ä4111\u{a0}1111ö", "ä[digits]ö"),
            ("12345678", "[digits]"),
            ("1234567", "1234567"),
            ("code 404 at 12:30", "code 404 at 12:30"),
            ("08:06:27 - 404", "08:06:27 - 404"),
            ("", ""),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn tokens_are_masked_by_their_shape() {
        for (text, masked) in [
            ("no eyJhbGciOiJFUzI1NiJ9.eyJz.c2ln!", "no [token]!"),
            ("a=eyJhbGciOiJFUzI1NiJ9", "a=[token]"),
            ("eyAiYWxnIjoiRVMyNTYifQ.eyJz.c2ln", "[token]"),
            ("Bearer abcdefgh12345678", "Bearer [token]"),
            ("bearer%20ab1cd2ef", "bearer%20[token]"),
            ("BEARER: a1b2c3d4 ok", "BEARER: [token] ok"),
            ("the bearer token is missing", "the bearer token is missing"),
            ("Bearer realm=\"d1\"", "Bearer realm=\"d1\""),
            ("keyJournal", "keyJournal"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn an_id_keeps_its_digits_unless_they_are_those_of_a_card() {
        for id in ["1234567890123456789", "op-20261126080627", "a_1"] {
            assert_eq!(mask_id(id), id);
        }
        assert_eq!(mask_id("op-4111111111111111"), "op-[digits]");
    }

    #[test]
    fn fields_are_masked_by_name_and_by_shape() {
        let fields = serde_json::json!({
            "exp": "0737", "PAN": 1, "n": 4111111111111111_u64, "4111111111111111": [{"x": "12345678"}],
            "status": 404,
        });
        let masked = serde_json::json!({
            "exp": REDACTED, "PAN": REDACTED, "n": DIGITS, DIGITS: [{"x": DIGITS}], "status": 404,
        });
        let Value::Object(fields) = fields else {
            unreachable!("an object");
        };
        assert_eq!(Value::Object(mask_fields(fields)), masked);
    }
}

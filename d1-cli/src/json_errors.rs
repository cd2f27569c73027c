//! Reads JSON that people wrote. What is wrong is said by the names of fields alone: a value may be card data, and
//! serde's own words repeat it.

use serde::Deserialize;
use serde_json::error::Category;

use crate::text::{did_you_mean, word};

/// Reads a JSON object. The error names the field and its rule.
pub(crate) fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut json);
    let value = read.map_err(|error| rule(&error.path().to_string(), error.inner()))?;
    let ended = json.end();
    ended.map_err(|_| "must be one JSON object and nothing after it".to_owned())?;
    Ok(value)
}

fn rule(field: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        Category::Eof => "must be a JSON object, and ends within it".to_owned(),
        Category::Syntax | Category::Io => {
            let line = match error.line() {
                1 => String::new(),
                line => format!("line {line}, "),
            };
            let column = error.column();
            format!("must be a JSON object, and is no JSON at {line}column {column}")
        }
        Category::Data => {
            if let Some(rest) = text.strip_prefix("unknown field `") {
                return unknown_field(rest);
            }
            let named = |kind| text.strip_prefix(kind)?.split('`').next();
            if let Some(name) = named("missing field `") {
                return format!("{name} is missing");
            }
            if let Some(name) = named("duplicate field `") {
                return format!("{name} is given twice");
            }
            match expected(&text) {
                Some(kind) if field != "." => format!("{} must be {kind}", word(field, "a field")),
                Some(_) | None => "must be a JSON object".to_owned(),
            }
        }
    }
}

/// Names an unknown field, and the known one that is most like it, or all of them.
fn unknown_field(rest: &str) -> String {
    let (name, rest) = rest.split_once('`').unwrap_or_default();
    // The rest lists the known ones, each between two of these quotes.
    let known = || rest.split('`').skip(1).step_by(2);
    let more = match did_you_mean(name, known()) {
        none if none.is_empty() => {
            let known = known().collect::<Vec<_>>().join(", ");
            format!("; the fields are {known}")
        }
        meant => meant,
    };
    format!("{} is not a field{more}", word(name, "a name"))
}

/// Returns what serde expected instead of a value, which stands before it.
fn expected(text: &str) -> Option<&str> {
    let (_, expected) = text.rsplit_once(", expected ")?;
    let expected = expected.split(" at line ").next()?;
    match expected.starts_with("struct ") {
        true => Some("a JSON object"),
        false => Some(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and not looked at")]
    struct Outer {
        card_id: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and not looked at")]
    struct Inner {
        pan: String,
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_repeated() {
        for (text, expected) in [
            ("", "must be a JSON object, and ends within it"),
            ("{", "must be a JSON object, and ends within it"),
            ("{'a'}", "must be a JSON object, and is no JSON at column 2"),
            ("[]", "must be a JSON object"),
            ("4111111111111111", "must be a JSON object"),
            (
                r#"{"cardId":"A"} x"#,
                "must be one JSON object and nothing after it",
            ),
            ("{}", "cardId is missing"),
            (r#"{"cardId":"A","cardId":"A"}"#, "cardId is given twice"),
            (
                r#"{"card_id":"A"}"#,
                "card_id is not a field; did you mean cardId?",
            ),
            (
                r#"{"4111111111111111":1}"#,
                "[digits] is not a field; the fields are cardId, inner",
            ),
            (
                r#"{"a name that is too long to be one":1}"#,
                "a name is not a field; the fields are cardId, inner",
            ),
            (r#"{"cardId":4111111111111111}"#, "cardId must be a string"),
            (
                r#"{"cardId":"A","inner":"4111, expected x"}"#,
                "inner must be a JSON object",
            ),
            (
                r#"{"cardId":"A","inner":{"pan":4111111111111111}}"#,
                "inner.pan must be a string",
            ),
            (r#"{"cardId":"A","inner":{}}"#, "pan is missing"),
        ] {
            let refused = read::<Outer>(text.as_bytes()).map(|_| ());
            assert_eq!(refused, Err(expected.to_owned()), "{text}");
        }
    }
}

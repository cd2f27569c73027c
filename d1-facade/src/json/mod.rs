//! Reads the JSON objects of D1's responses, also where a member has another type than the documented one.
//!
//! Such a member must not make the rest of a response unreadable: a change that D1 carried out would then look like one
//! with an unknown outcome. A number or a boolean in quotes is read, a fraction where an integer is expected is rounded
//! down; any other member that does not fit is set aside under its name.
//!
//! What is not lenient is the JSON itself: a text with something after its end, or an object that has a member twice
//! with different values, is refused ([`JsonFault`]).

mod duplicates;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::redact::quote_numbers;

/// Why a body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonFault {
    /// It is not JSON, or ends too early.
    Malformed,
    /// An object has a member twice, with different values.
    Contradictory,
    /// It is JSON, but no object.
    NoObject,
}

impl JsonFault {
    /// Returns the fault in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Malformed => "the response is not JSON, or is cut short",
            Self::Contradictory => "the response has a JSON member twice, with different values",
            Self::NoObject => "the response is JSON, but no object",
        }
    }
}

/// Returns a body as JSON. A number beyond the range of a float, which serde_json refuses, is read as a text.
pub(crate) fn value(body: &[u8]) -> Result<Value, JsonFault> {
    let body = without_byte_order_mark(body);
    match strict_value(body) {
        Err(JsonFault::Malformed) => strict_value(&quote_numbers(body, is_beyond_float)),
        read => read,
    }
}

fn is_beyond_float(number: &str) -> bool {
    number.parse().is_ok_and(f64::is_infinite)
}

fn strict_value(body: &[u8]) -> Result<Value, JsonFault> {
    duplicates::check(body)?;
    serde_json::from_slice(body).map_err(|_| JsonFault::Malformed)
}

/// Returns a body as a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    match value(body)? {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonFault::NoObject)
        }
    }
}

/// Reads a body as a `T` where each member is of the documented type and has one value. Faster than
/// [`object`] and [`read`], which read every other body as well.
///
/// `undocumented` says whether a `T` has a value of a type that takes any member: serde finds a member that stands twice
/// in all other types by itself.
pub(crate) fn documented<T: DeserializeOwned>(
    body: &[u8],
    undocumented: impl Fn(&T) -> bool,
) -> Option<T> {
    let body = without_byte_order_mark(body);
    let read = serde_json::from_slice(body).ok()?;
    (!undocumented(&read) || duplicates::check(body).is_ok()).then_some(read)
}

/// Returns a text without the mark that some servers put before it, and that JSON does not allow there.
pub(crate) fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// Reads `fields` as a `T` whose members are all optional.
///
/// The second value has the members that `T` knows by name but cannot hold.
pub(crate) fn read<T: DeserializeOwned>(
    fields: Map<String, Value>,
) -> Option<(T, Map<String, Value>)> {
    let whole = Value::Object(fields);
    if let Ok(typed) = T::deserialize(&whole) {
        return Some((typed, Map::new()));
    }
    let Value::Object(fields) = whole else {
        return None;
    };
    let (mut readable, mut misfits) = (Map::new(), Map::new());
    for (name, value) in fields {
        let fitting = readings(&value).find(|reading| fits::<T>(&name, reading));
        match fitting {
            Some(reading) => readable.insert(name, reading),
            None => misfits.insert(name, value),
        };
    }
    let typed = T::deserialize(&Value::Object(readable)).ok()?;
    Some((typed, misfits))
}

/// Returns the objects that a value is or holds, without those within them.
pub(crate) fn objects(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Object(fields) => vec![fields],
        Value::Array(items) => items.iter().flat_map(objects).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Returns whether `T` can hold a member of this name and value.
pub(crate) fn fits<T: DeserializeOwned>(name: &str, value: &Value) -> bool {
    let alone = Map::from_iter([(name.to_owned(), value.clone())]);
    T::deserialize(&Value::Object(alone)).is_ok()
}

/// Returns the value itself, then what else it can be read as, the most precise reading first.
fn readings(value: &Value) -> impl Iterator<Item = Value> + use<'_> {
    let number = match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => number(text.trim()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let whole = number.as_ref().and_then(rounded_down);
    let boolean = match value.as_str().map(|text| text.trim().to_ascii_lowercase()) {
        Some(text) if text == "true" => Some(true),
        Some(text) if text == "false" => Some(false),
        _ => None,
    };
    let others = [
        number.map(Value::Number),
        whole.map(Value::Number),
        boolean.map(Value::Bool),
    ];
    std::iter::once(value.clone()).chain(others.into_iter().flatten())
}

/// Returns the number that a text is, an integer where it can be one.
fn number(text: &str) -> Option<Number> {
    let integer = text.parse::<i64>().ok().map(Number::from);
    integer.or_else(|| Number::from_f64(text.parse().ok()?))
}

/// Returns the largest integer that is not above `number`; `None` where 64 bits cannot hold it.
fn rounded_down(number: &Number) -> Option<Number> {
    // Below 2^53 every integer is exact as a float, and no count or duration is above.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let floor = number.as_f64()?.floor();
    let exact = floor.abs() <= EXACT;
    #[allow(clippy::cast_possible_truncation)] // A whole number within the bound.
    exact.then(|| Number::from(floor as i64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Answer {
        count: Option<i64>,
        seconds: Option<f64>,
        flag: Option<bool>,
        name: Option<String>,
        #[serde(flatten)]
        extra: Map<String, Value>,
    }

    fn answer(value: Value) -> (Answer, Map<String, Value>) {
        let Value::Object(fields) = value else {
            unreachable!("an object");
        };
        read(fields).unwrap()
    }

    #[test]
    fn a_number_is_read_from_a_text_and_a_fraction_is_rounded_down() {
        for (value, count) in [
            (json!(3), Some(3)),
            (json!("3"), Some(3)),
            (json!(" 3 "), Some(3)),
            (json!("3.0"), Some(3)),
            (json!(3.9), Some(3)),
            (json!("3.9"), Some(3)),
            (json!(-0.5), Some(-1)),
            (json!("9007199254740993"), Some(9_007_199_254_740_993)),
            (json!(1e30), None),
            (json!("1e400"), None),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!(""), None),
            (json!("many"), None),
            (json!([3]), None),
            (json!(true), None),
        ] {
            let (read, misfits) = answer(json!({"count": value, "name": "a", "x": 1}));
            assert_eq!(read.count, count, "{value}");
            assert_eq!(misfits.get("count").is_none(), count.is_some(), "{value}");
            assert_eq!(
                (read.name.as_deref(), &read.extra["x"]),
                (Some("a"), &json!(1))
            );
        }
        assert_eq!(answer(json!({"seconds": "900.5"})).0.seconds, Some(900.5));
        assert_eq!(answer(json!({"seconds": "900"})).0.seconds, Some(900.0));
    }

    #[test]
    fn a_byte_order_mark_takes_nothing_from_the_text() {
        let text = "\u{feff}{\"a\":1}";
        assert_eq!(object(text.as_bytes()).unwrap()["a"], 1);
        assert_eq!(object(b"[1]"), Err(JsonFault::NoObject));
    }

    #[test]
    fn a_number_beyond_the_range_of_a_float_is_a_text() {
        let digits = "9".repeat(400);
        let text =
            format!(r#"{{"a":[1e400,-1e400],"b":{{"c":{digits}}},"d":"1e400 \" 1","e":1e300}}"#);
        let read = object(text.as_bytes()).unwrap();
        let expected =
            json!({"a": ["1e400", "-1e400"], "b": {"c": digits}, "d": "1e400 \" 1", "e": 1e300});
        assert_eq!(Value::Object(read), expected);
        for bad in [r#"{"a":1e400"#, r#"{"a":1e400e}"#, r#"{"a":01}"#, "1e400"] {
            assert_eq!(object(bad.as_bytes()), Err(JsonFault::Malformed), "{bad}");
        }
        let twice = object(br#"{"a":1e400,"a":1e401}"#);
        assert_eq!(twice, Err(JsonFault::Contradictory));
    }

    #[test]
    fn a_boolean_is_read_from_a_text() {
        for (value, flag) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!(" False "), Some(false)),
            (json!("yes"), None),
            (json!(1), None),
            (json!(null), None),
        ] {
            let (read, _) = answer(json!({"flag": value}));
            assert_eq!(read.flag, flag, "{value}");
        }
    }

    #[test]
    fn a_text_stays_a_text_and_a_number_is_none() {
        assert_eq!(answer(json!({"name": "7"})).0.name.as_deref(), Some("7"));
        let (read, misfits) = answer(json!({"name": 7, "count": "1"}));
        assert_eq!((read.name, read.count), (None, Some(1)));
        assert_eq!(misfits, Map::from_iter([("name".to_owned(), json!(7))]));
    }
}

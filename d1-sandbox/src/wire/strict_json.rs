//! Reads JSON and refuses repeated member names, of which readers elsewhere may see another one.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Why a text is not acceptable JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StrictJsonError {
    /// It is not JSON.
    Malformed,
    /// An object has the same member twice.
    RepeatedName,
}

const REPEATED: &str = "repeated member name";

/// Parses `bytes`, which must be one JSON value.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, StrictJsonError> {
    serde_json::from_slice::<Unique>(bytes)
        .map(|Unique(value)| value)
        .map_err(|error| {
            if error.to_string().starts_with(REPEATED) {
                StrictJsonError::RepeatedName
            } else {
                StrictJsonError::Malformed
            }
        })
}

/// Parses `bytes`, which must be one JSON object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Value, StrictJsonError> {
    let value = parse(bytes)?;
    let is_object = value.is_object();
    is_object.then_some(value).ok_or(StrictJsonError::Malformed)
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = access.next_entry::<String, Unique>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(REPEATED));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_refused_at_every_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"\u0061":2}}"#,
            r#"[{"a":1,"a":2}]"#,
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(StrictJsonError::RepeatedName),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_reads_as_usual() {
        let text = r#"{"a":[1,-1,1.5,"x",null,true],"b":{"a":{}}}"#;
        let expected: Value = serde_json::from_str(text).unwrap_or_default();
        assert_eq!(parse(text.as_bytes()), Ok(expected));
        assert_eq!(parse(b"{"), Err(StrictJsonError::Malformed));
        assert_eq!(parse(b"\xff"), Err(StrictJsonError::Malformed));
    }
}

//! Refuses JSON that can be read in two ways.
//!
//! JSON leaves open what an object means that has the same member twice (RFC 8259, section 4): some readers
//! take the first, some the last. Where the copies are equal it does not matter. Where they differ, two
//! programs that read the same response disagree about it, so that it is not used.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::JsonFault;

/// Reads a JSON text in which no object has a member twice with different values.
pub(super) fn value(body: &[u8]) -> Result<Value, JsonFault> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Strict.deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok(value),
        // The only error of another category than syntax and end of input is our own.
        Err(error) if error.is_data() => Err(JsonFault::Contradictory),
        Err(_) => Err(JsonFault::Malformed),
    }
}

/// Reads a value.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            read.push(item);
        }
        Ok(read.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            match read.entry(name) {
                Entry::Vacant(member) => {
                    member.insert(value);
                }
                Entry::Occupied(member) if *member.get() == value => {}
                Entry::Occupied(_) => return Err(A::Error::custom("a member stands twice")),
            }
        }
        Ok(read.into())
    }
}

/// The most members of an object whose names are compared with each other, so that a large one takes no long time.
const MOST_NAMES: usize = 32;

/// Returns true only for a JSON text in which no object has a member twice. It copies nothing.
pub(super) fn has_unique_names(body: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(body);
    Unique.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// The name of a member, which is copied only if it has an escape.
#[derive(PartialEq, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a value, and fails where an object has a member twice, or more members than are compared.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(name) = members.next_key::<Name<'_>>()? {
            if names.len() == MOST_NAMES || names.contains(&name) {
                return Err(A::Error::custom("a name may stand twice"));
            }
            names.push(name);
            members.next_value_seed(Self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_refused_where_its_values_differ() {
        for (text, expected) in [
            (r#"{"a":1,"b":2}"#, Ok(())),
            (r#"{"a":1,"a":1}"#, Ok(())),
            (r#"{"a":{"x":1,"y":2},"a":{"y":2,"x":1}}"#, Ok(())),
            (r#"[{"a":1},{"a":2}]"#, Ok(())),
            (r#"{"a":1,"a":2}"#, Err(JsonFault::Contradictory)),
            (r#"{"a":1,"a":2,"a":1}"#, Err(JsonFault::Contradictory)),
            (r#"{"a":1,"a":null}"#, Err(JsonFault::Contradictory)),
            (r#"{"a":1,"a":"1"}"#, Err(JsonFault::Contradictory)),
            (r#"{"a":1,"\u0061":2}"#, Err(JsonFault::Contradictory)),
            (r#"{"a":[1,2],"a":[2,1]}"#, Err(JsonFault::Contradictory)),
            (r#"{"a":[],"a":{}}"#, Err(JsonFault::Contradictory)),
            (
                r#"{"x":[{"deep":{"a":"","a":" "}}]}"#,
                Err(JsonFault::Contradictory),
            ),
            ("", Err(JsonFault::Malformed)),
            (r#"{"a":1"#, Err(JsonFault::Malformed)),
            (r#"{"a":1} x"#, Err(JsonFault::Malformed)),
            ("<html>", Err(JsonFault::Malformed)),
        ] {
            assert_eq!(value(text.as_bytes()).map(drop), expected, "{text}");
        }
    }

    #[test]
    fn names_are_unique_only_where_no_object_has_one_twice() {
        let many = |count| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        for (text, unique) in [
            (r#"{"a":1,"b":[{"a":1.5},{"a":null}],"c":{"a":true}}"#, true),
            (r#"{"a":1,"a":1}"#, false),
            (r#"{"a":1,"\u0061":2}"#, false),
            (r#"[{"x":{"a":-1,"b":"","a":-1}}]"#, false),
            (&many(MOST_NAMES), true),
            (&many(MOST_NAMES + 1), false),
            (r#"{"a":1"#, false),
            (r#"{"a":1} x"#, false),
        ] {
            assert_eq!(has_unique_names(text.as_bytes()), unique, "{text}");
        }
    }

    #[test]
    fn json_that_is_nested_too_deeply_is_malformed_and_no_overflow() {
        let text = "[".repeat(100_000);
        assert_eq!(value(text.as_bytes()), Err(JsonFault::Malformed));
    }
}

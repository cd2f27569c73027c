//! Refuses JSON that can be read in two ways.
//!
//! JSON leaves open what an object means that has the same member twice (RFC 8259, section 4): some readers
//! take the first, some the last. Where the copies are equal it does not matter. Where they differ, two
//! programs that read the same response disagree about it, so that it is not used.
//!
//! This is a pass of its own, not a reader that makes the values as well: such a reader would take each number for an
//! object where another crate of the process enables serde_json's `arbitrary_precision`. A digest does not depend on it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::JsonFault;

/// Checks that a text is JSON, and that no object in it has a member twice with different values.
///
/// It copies nothing, since the text may hold a token.
pub(super) fn check(body: &[u8]) -> Result<(), JsonFault> {
    let hasher = RandomState::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let checked = Digest(&hasher).deserialize(&mut reader);
    match checked.and_then(|_| reader.end()) {
        Ok(()) => Ok(()),
        // The only error of another category than syntax and end of input is our own.
        Err(error) if error.is_data() => Err(JsonFault::Contradictory),
        Err(_) => Err(JsonFault::Malformed),
    }
}

/// Reads a value to a digest: equal values have equal digests, whatever the order of their members.
#[derive(Clone, Copy)]
struct Digest<'a>(&'a RandomState);

impl Digest<'_> {
    fn of(self, kind: u8, value: impl Hash) -> u64 {
        self.0.hash_one((kind, value))
    }
}

impl<'de> DeserializeSeed<'de> for Digest<'_> {
    type Value = u64;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<u64, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Digest<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(self.of(0, ()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(self.of(1, value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(self.of(2, value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(self.of(3, value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        Ok(self.of(4, value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        Ok(self.of(5, value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut digest = self.of(6, ());
        while let Some(item) = items.next_element_seed(self)? {
            digest = self.of(6, (digest, item));
        }
        Ok(digest)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let mut seen = BTreeMap::new();
        let mut digest = self.of(7, ());
        while let Some(name) = members.next_key_seed(self)? {
            let value = members.next_value_seed(self)?;
            match seen.insert(name, value) {
                Some(before) if before != value => {
                    return Err(A::Error::custom("a member stands twice"));
                }
                Some(_) => {}
                // A sum, so that the order of the members does not matter.
                None => digest = digest.wrapping_add(self.of(8, (name, value))),
            }
        }
        Ok(digest)
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
            assert_eq!(check(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn json_that_is_nested_too_deeply_is_malformed_and_no_overflow() {
        let text = "[".repeat(100_000);
        assert_eq!(check(text.as_bytes()), Err(JsonFault::Malformed));
    }
}

//! A place in a document: following a `$ref` must not lose where its target stands.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::load::Document;
use super::text;

/// A value and its JSON pointer.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) document: &'a Document,
    pub(crate) value: &'a Value,
    pub(crate) pointer: String,
}

/// A `$ref` that leads to nothing that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadReference {
    pub(crate) target: String,
    pub(crate) problem: &'static str,
}

impl<'a> Node<'a> {
    pub(crate) fn root(document: &'a Document) -> Self {
        Self {
            document,
            value: &document.root,
            pointer: String::new(),
        }
    }

    pub(crate) fn child(&self, key: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(key)?;
        Some(self.with(key, value))
    }

    /// A child whose references are followed, where it has one that can be.
    pub(crate) fn resolved_child(&self, key: &str) -> Option<Self> {
        let child = self.child(key)?;
        Some(child.resolve().unwrap_or(child))
    }

    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let this = self.clone();
        let map: Option<&'a Map<String, Value>> = self.value.as_object();
        map.into_iter()
            .flatten()
            .map(move |(key, value)| (key.as_str(), this.with(key, value)))
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let this = self.clone();
        let list: Option<&'a Vec<Value>> = self.value.as_array();
        list.into_iter()
            .flatten()
            .enumerate()
            .map(move |(i, value)| this.with(&i.to_string(), value))
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.value.get(key).is_some_and(|v| v == &Value::Bool(true))
    }

    pub(crate) fn reference(&self) -> Option<&'a str> {
        self.text("$ref")
    }

    /// Follows references within the document, one after the other.
    pub(crate) fn resolve(&self) -> Result<Self, DeadReference> {
        let mut seen = HashSet::new();
        let mut node = self.clone();
        while let Some(reference) = node.reference() {
            if !seen.insert(reference) {
                return Err(DeadReference::new(reference, "leads to itself"));
            }
            node = node.follow(reference)?;
        }
        Ok(node)
    }

    /// What a reference in this document names.
    pub(crate) fn follow(&self, reference: &str) -> Result<Self, DeadReference> {
        let dead = |problem| DeadReference::new(reference, problem);
        let fragment = reference
            .strip_prefix('#')
            .ok_or_else(|| dead("leads out of the file"))?;
        let pointer = percent_decoded(fragment);
        if !pointer.starts_with('/') {
            return Err(dead("is no JSON pointer"));
        }
        let value = self.document.root.pointer(&pointer);
        Ok(Self {
            document: self.document,
            value: value.ok_or_else(|| dead("leads nowhere"))?,
            pointer,
        })
    }

    fn with(&self, key: &str, value: &'a Value) -> Self {
        Self {
            document: self.document,
            value,
            pointer: format!("{}/{}", self.pointer, text::escape(key)),
        }
    }
}

impl DeadReference {
    fn new(target: &str, problem: &'static str) -> Self {
        Self {
            target: target.to_owned(),
            problem,
        }
    }
}

/// A fragment of a URI as the text that it stands for; what is no text stays as it is.
fn percent_decoded(fragment: &str) -> String {
    let bytes = fragment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| fragment.to_owned())
}

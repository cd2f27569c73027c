//! What the sandbox calls by names of its own, and the document by names that may still change.
//!
//! Some names of D1 are not documented. Each of them has an `x-d1-rust-name` in the document, which stays when
//! the name on the wire is corrected; the sandbox goes by that, so that such a correction is one edit.

use serde_json::Value;
use std::collections::BTreeMap;

/// The names on the wire that differ from those of the sandbox.
#[derive(Debug, Default)]
pub(crate) struct Names {
    on_wire: BTreeMap<String, String>,
}

impl Names {
    /// Collects the names of a schema's properties, and of what these hold.
    pub(crate) fn of_schema(document: &Value, schema: &Value) -> Self {
        let mut names = Self::default();
        names.read(document, schema, 8);
        names
    }

    /// `depth` ends a schema that is a part of itself.
    fn read(&mut self, document: &Value, schema: &Value, depth: u8) {
        let schema = resolve(document, schema);
        let properties = schema.get("properties").and_then(Value::as_object);
        for (wire, property) in properties.into_iter().flatten() {
            let own = own_name(wire, property);
            if own != *wire {
                self.on_wire.insert(own, wire.clone());
            }
            if let Some(items) = property.get("items").filter(|_| depth > 0) {
                self.read(document, items, depth - 1);
            }
        }
    }

    /// Returns the name on the wire of what the sandbox calls `own`.
    pub(crate) fn on_wire<'n>(&'n self, own: &'n str) -> &'n str {
        self.on_wire.get(own).map_or(own, String::as_str)
    }

    /// Gives the members of an object, and of the objects in its lists, their names on the wire.
    pub(crate) fn put_on_wire(&self, value: &mut Value) {
        let Some(members) = value.as_object_mut().filter(|_| !self.on_wire.is_empty()) else {
            return;
        };
        *members = std::mem::take(members)
            .into_iter()
            .map(|(own, mut value)| {
                let items = value.as_array_mut().into_iter().flatten();
                items.for_each(|item| self.put_on_wire(item));
                (self.on_wire(&own).to_owned(), value)
            })
            .collect();
    }
}

/// Returns what the sandbox calls a property or a parameter: `digitalCardDetails` where `x-d1-rust-name` is
/// `digital_card_details`.
pub(super) fn own_name(wire: &str, node: &Value) -> String {
    match node.get("x-d1-rust-name").and_then(Value::as_str) {
        None => wire.to_owned(),
        Some(rust) => rust
            .split('_')
            .enumerate()
            .map(|(i, word)| match word.split_at_checked(1) {
                Some((first, rest)) if i > 0 => first.to_ascii_uppercase() + rest,
                _ => word.to_owned(),
            })
            .collect(),
    }
}

/// Follows a reference within the document.
pub(super) fn resolve<'d>(document: &'d Value, node: &'d Value) -> &'d Value {
    node.get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(node)
}

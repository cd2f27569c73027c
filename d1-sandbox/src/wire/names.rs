//! What the sandbox calls by names of its own, and the document by names that may still change.
//!
//! Some names of D1 are not documented. Each of them has an `x-d1-rust-name` in the document, which stays when
//! the name on the wire is corrected; the sandbox goes by that, so that such a correction is one edit.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shape::{own_name, resolve};

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

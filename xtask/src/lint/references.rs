//! Rules on references: each leads to a component that is generated, none back to itself, and no card data is generated.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Breaches, objects, walk};
use crate::normalize::is_omitted;
use crate::spec::{entries, join, schemas, text};

pub(super) fn dead_reference(spec: &Value, out: &mut Breaches) {
    objects(spec, |pointer, object| {
        let reference = text(object, "$ref");
        // The body of a named response is left out with its schema.
        let is_body = pointer.starts_with("/components/responses/")
            && pointer.contains("/content/")
            && pointer.ends_with("/schema");
        let problem = match reference
            .strip_prefix('#')
            .and_then(|target| spec.pointer(target))
        {
            None if !reference.is_empty() => "does not exist",
            Some(target) if is_omitted(target) && !is_body => {
                "is not generated (x-d1-client: omit)"
            }
            Some(_) | None => return,
        };
        out.add(join(pointer, "$ref"), format!("`{reference}` {problem}"));
    });
}

pub(super) fn cyclic_reference(spec: &Value, out: &mut Breaches) {
    let kinds = entries(spec, "components");
    for (kind, components) in kinds {
        for (name, component) in components.as_object().into_iter().flatten() {
            let start = join(&join("/components", kind), name);
            if let Some(place) = way_back(spec, &start, component, &start, &mut BTreeSet::new()) {
                out.add(place, format!("`#{start}` refers to itself here"));
            }
        }
    }
}

/// The reference below `value` by which `start` is reached again.
fn way_back(
    spec: &Value,
    start: &str,
    value: &Value,
    pointer: &str,
    seen: &mut BTreeSet<String>,
) -> Option<String> {
    let mut references = Vec::new();
    walk(value, pointer, &mut |pointer, object| {
        let target = text(object, "$ref").strip_prefix('#');
        references.extend(target.map(|target| (join(pointer, "$ref"), target.to_owned())));
    });
    references.into_iter().find_map(|(place, target)| {
        if target == start {
            return Some(place);
        }
        let next = spec.pointer(&target)?;
        seen.insert(target.clone())
            .then(|| way_back(spec, start, next, &target, seen))?
    })
}

pub(super) fn unused_schema(spec: &Value, out: &mut Breaches) {
    let mut used = BTreeSet::new();
    objects(spec, |_, object| {
        used.insert(text(object, "$ref").to_owned());
    });
    for (name, schema) in schemas(spec) {
        let place = join("/components/schemas", name);
        if !used.contains(&format!("#{place}")) && !is_omitted(schema) {
            out.add(place, format!("nothing refers to `{name}`"));
        }
    }
}

pub(super) fn card_data(spec: &Value, out: &mut Breaches) {
    const PLAINTEXT: &str = "CardCredentials";
    let plaintext = &spec["components"]["schemas"][PLAINTEXT];
    let secret: BTreeSet<&String> = entries(plaintext, "properties").map(|(k, _)| k).collect();
    for (name, schema) in schemas(spec).filter(|(name, s)| *name != PLAINTEXT && !is_omitted(s)) {
        let place = join("/components/schemas", name);
        walk(schema, &place, &mut |pointer, object| {
            for (name, _) in entries(object, "properties").filter(|(name, _)| secret.contains(name))
            {
                let place = join(&join(pointer, "properties"), name);
                out.add(place, format!("`{name}` is a member of {PLAINTEXT}"));
            }
        });
    }
}

pub(super) fn reserved(spec: &Value, out: &mut Breaches) {
    let operations = crate::spec::operations(spec);
    let bodies: Vec<&Value> = operations
        .iter()
        .filter_map(|o| o.json_body(spec))
        .collect();
    objects(spec, |pointer, object| {
        for (name, property) in entries(object, "properties") {
            if property.get("x-d1-reserved").is_some() && !bodies.contains(&object) {
                let place = join(&join(&join(pointer, "properties"), name), "x-d1-reserved");
                out.add(
                    place,
                    format!("`{name}` is not a property of a request body"),
                );
            }
        }
    });
}

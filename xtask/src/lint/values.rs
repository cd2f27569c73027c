//! Rules on values: examples, defaults and lists against what the spec itself says of them.

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::Breach;
use super::schemas::walk_schemas;
use crate::spec::join;

/// Each value that the spec holds for a schema: its place, its key, and the schema.
fn values(spec: &Value, mut visit: impl FnMut(String, &str, &Value, &Value)) {
    walk_schemas(spec, |pointer, map| {
        // A parameter or a media type has its schema beside the example, a schema is its own.
        let whole = Value::Object(map.clone());
        let schema = map.get("schema").filter(|s| s.is_object());
        let is_schema = is_schema(pointer);
        for key in ["example", "default", "x-d1-default"] {
            if let Some(value) = map.get(key)
                && (schema.is_some() || is_schema)
            {
                visit(join(pointer, key), key, value, schema.unwrap_or(&whole));
            }
        }
    });
}

/// Whether a place is one of a schema, rather than of an object that holds one.
fn is_schema(pointer: &str) -> bool {
    let parts: Vec<&str> = pointer.split('/').collect();
    match parts[..] {
        [.., "schemas" | "properties" | "allOf", _] => true,
        [.., last] => ["schema", "items", "additionalProperties"].contains(&last),
        [] => false,
    }
}

pub(super) fn valid_values(spec: &Value, out: &mut Vec<Breach>) {
    let Some(schemas) = Schemas::of(spec) else {
        return; // Other rules report what is wrong with the schemas.
    };
    values(spec, |place, key, value, schema| {
        let Ok(validator) = schemas.compile(schema) else {
            return; // Another rule reports the key that cannot be compiled.
        };
        if let Err(error) = validator.validate(value) {
            let inner = error.instance_path().to_string();
            let rule = match error.kind().keyword() {
                "enum" => "x-extensible-enum",
                other => other,
            };
            let whose = if inner.is_empty() {
                String::new()
            } else {
                format!(" at {inner}")
            };
            out.push(Breach::new(
                place,
                format!("the {key}{whose} breaks `{rule}` of its schema"),
            ));
        }
    });
}

/// The schemas as a validator reads them: an open list counts as a closed one.
struct Schemas {
    components: Value,
}

impl Schemas {
    fn of(spec: &Value) -> Option<Self> {
        let mut findings = Vec::new();
        super::schemas::dead_reference(spec, &mut findings);
        super::schemas::cyclic_reference(spec, &mut findings);
        let mut components = spec.get("components").cloned().unwrap_or_default();
        close_lists(&mut components);
        findings.is_empty().then_some(Self { components })
    }

    fn compile(&self, schema: &Value) -> Result<Validator, String> {
        let mut schema = schema.clone();
        close_lists(&mut schema);
        let document = json!({ "allOf": [schema], "components": self.components });
        jsonschema::options()
            .with_draft(Draft::Draft7)
            .build(&document)
            .map_err(|error| error.to_string())
    }
}

fn close_lists(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(close_lists);
            if let Some(list) = map.remove("x-extensible-enum") {
                map.insert("enum".to_owned(), list);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close_lists),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The least and the most of the same thing.
const BOUNDS: [(&str, &str); 3] = [
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minimum", "maximum"),
];

pub(super) fn bounds(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        for (least, most) in BOUNDS {
            let bound = |key: &str| map.get(key).and_then(Value::as_i64);
            if let (Some(low), Some(high)) = (bound(least), bound(most))
                && low > high
            {
                let problem = format!("`{least}` {low} is above `{most}` {high}");
                out.push(Breach::new(join(pointer, least), problem));
            }
        }
        pattern_lengths(pointer, map, out);
    });
}

/// Compares the lengths that a pattern allows with `minLength` and `maxLength`.
fn pattern_lengths(pointer: &str, map: &Map<String, Value>, out: &mut Vec<Breach>) {
    let pattern = map.get("pattern").and_then(Value::as_str);
    let Some((least, most)) = pattern.and_then(lengths) else {
        return;
    };
    let given = |key: &str| map.get(key).and_then(Value::as_u64);
    let differs = |key: &str, length: u64| given(key).is_some_and(|given| given != length);
    let (key, range) = match most {
        Some(most) if differs("maxLength", most) => ("maxLength", format!("{least} to {most}")),
        Some(most) if differs("minLength", least) => ("minLength", format!("{least} to {most}")),
        // Without an upper bound the pattern leaves it to `maxLength`.
        None if given("maxLength").is_some_and(|most| most < least) => {
            ("maxLength", format!("{least} or more"))
        }
        Some(_) | None => return,
    };
    let given = given(key).unwrap_or_default();
    let problem = format!("`{key}` is {given}, but the pattern takes {range} characters");
    let fix = "give the pattern and the keys beside it the same lengths";
    out.push(Breach::new(join(pointer, key), problem).with_fix(fix));
}

/// The least and the greatest number of characters that a pattern takes.
fn lengths(pattern: &str) -> Option<(u64, Option<u64>)> {
    // Read as bytes, a class takes one byte for one character.
    let mut parser = regex_syntax::ParserBuilder::new();
    let mut parser = parser.unicode(false).utf8(false).build();
    let hir = parser.parse(pattern).ok()?;
    let (least, most) = (
        hir.properties().minimum_len()?,
        hir.properties().maximum_len(),
    );
    let most = most.and_then(|most| u64::try_from(most).ok());
    Some((u64::try_from(least).ok()?, most))
}

/// The keys, and the formats, that mean something for one type alone.
const OF_TYPE: [(&str, &[&str]); 5] = [
    (
        "string",
        &[
            "pattern",
            "minLength",
            "maxLength",
            "x-extensible-enum",
            "date",
            "date-time",
        ],
    ),
    ("integer", &["minimum", "maximum", "int32", "int64"]),
    ("number", &["float", "double"]),
    ("array", &["items", "minItems", "maxItems"]),
    (
        "object",
        &[
            "properties",
            "required",
            "additionalProperties",
            "x-d1-sent-claims",
        ],
    ),
];

pub(super) fn types(spec: &Value, out: &mut Vec<Breach>) {
    walk_schemas(spec, |pointer, map| {
        if !is_schema(pointer) {
            return;
        }
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        let given = text("type");
        for (kind, keys) in OF_TYPE.iter().filter(|(kind, _)| given != Some(*kind)) {
            for key in *keys {
                let (place, what) = match text("format") == Some(*key) {
                    true => ("format", format!("the format `{key}`")),
                    false if map.contains_key(*key) => (*key, format!("`{key}`")),
                    false => continue,
                };
                let problem = format!("{what} needs `type: {kind}`");
                out.push(Breach::new(join(pointer, place), problem));
            }
        }
        if given == Some("array") && !map.contains_key("items") {
            out.push(Breach::new(join(pointer, "type"), "an array needs `items`"));
        }
    });
}

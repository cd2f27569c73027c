//! Checks how the spec is written against `openapi/shape.yaml`: closed lists of keys, of their places and of values.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use super::Breaches;
use crate::error_table::CONDITIONS;
use crate::spec::{join, text, without_hint};

/// The schema, and what validates with it, or why it cannot be used.
static SHAPE: LazyLock<Result<(Value, Validator), String>> = LazyLock::new(|| {
    let text = include_str!("../../../openapi/shape.yaml");
    let mut schema: Value =
        serde_saphyr::from_str(text).map_err(|e| without_hint(&e.to_string()))?;
    let conditions = CONDITIONS.map(|(name, ..)| name);
    schema["$defs"]["condition"] = json!({ "enum": conditions });
    let validator = jsonschema::validator_for(&schema).map_err(|e| e.to_string())?;
    Ok((schema, validator))
});

pub(super) fn shape(spec: &Value, out: &mut Breaches) {
    match &*SHAPE {
        Ok((schema, validator)) => {
            let mut seen = BTreeSet::new();
            for error in validator.iter_errors(spec) {
                report(schema, &error, &mut seen, out);
            }
        }
        Err(problem) => out.add("", format!("openapi/shape.yaml cannot be read: {problem}")),
    }
}

/// Reports an error once; several parts of the schema may find it.
fn report(
    schema: &Value,
    error: &ValidationError<'_>,
    seen: &mut BTreeSet<(String, String)>,
    out: &mut Breaches,
) {
    let pointer = error.instance_path().to_string();
    let place = error.schema_path().to_string();
    let title = nearest(schema, &place, "title").unwrap_or("it");
    let mut add = |pointer: String, problem: String, fix: String| {
        if seen.insert((pointer.clone(), problem.clone())) {
            out.add_with_fix(pointer, problem, fix);
        }
    };
    let given_fix = nearest(schema, &place, "x-fix");
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for key in unexpected {
                let problem = format!("{title} has no key `{key}`");
                add(join(&pointer, key), problem, other_key(schema, &place, key));
            }
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let fix = given_fix.map_or_else(|| format!("add `{key}`"), str::to_owned);
            add(pointer, format!("{title} lacks `{key}`"), fix);
        }
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            let problem = format!("`{name}` is not a name that it may have");
            add(join(&pointer, name), problem, fix_or(given_fix, error));
        }
        kind => {
            let problem = format!("{} is {}", named(&pointer), described(error.instance()));
            let fix = match kind {
                ValidationErrorKind::Enum { options } => one_of(options),
                _ => fix_or(given_fix, error),
            };
            add(pointer, problem, fix);
        }
    }
}

fn fix_or(given: Option<&str>, error: &ValidationError<'_>) -> String {
    given.map_or_else(|| error.masked().to_string(), str::to_owned)
}

fn one_of(options: &Value) -> String {
    let options = options.as_array().into_iter().flatten();
    let options: Vec<&str> = options.filter_map(Value::as_str).collect();
    format!("use one of: {}", options.join(", "))
}

/// The text of `key` at a place of the schema, or at the nearest place around it that has one.
fn nearest<'s>(schema: &'s Value, place: &str, key: &str) -> Option<&'s str> {
    let ends = place
        .match_indices('/')
        .map(|(end, _)| end)
        .chain([place.len()]);
    let mut places = ends.collect::<Vec<_>>().into_iter().rev();
    places.find_map(|end| schema.pointer(&place[..end])?.get(key)?.as_str())
}

/// What to do about a key that the object at this place of the schema does not have.
fn other_key(schema: &Value, place: &str, key: &str) -> String {
    let object = place
        .rsplit_once('/')
        .and_then(|(object, _)| schema.pointer(object));
    let known = object.and_then(|object| object["properties"].as_object());
    let known: Vec<&str> = known
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    let close = similar::get_close_matches(key.to_ascii_lowercase().as_str(), &known, 1, 0.75);
    let objects = schema["$defs"].as_object().into_iter().flatten();
    let homes = objects.filter(|(_, object)| object["properties"].get(key).is_some());
    let homes: BTreeSet<&str> = homes.map(|(_, object)| text(object, "title")).collect();
    match (close.first(), homes.is_empty()) {
        (Some(close), _) => format!("write `{close}`"),
        (None, true) => {
            "remove it: the generator ignores it; openapi/shape.yaml lists the keys".to_owned()
        }
        (None, false) => {
            let homes = Vec::from_iter(homes).join(" or ");
            format!("remove it here; `{key}` belongs to {homes}")
        }
    }
}

/// A place by its key; an item of a list has none.
fn named(pointer: &str) -> String {
    let key = pointer.rsplit('/').next().unwrap_or_default();
    match key.is_empty() || key.parse::<usize>().is_ok() {
        true => "it".to_owned(),
        false => format!("`{}`", key.replace("~1", "/").replace("~0", "~")),
    }
}

/// What a value is, for a message.
fn described(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Returns the extensions that the spec may use: the keys of the shape that begin with `x-`.
#[must_use]
pub fn extensions() -> BTreeSet<String> {
    let schema = SHAPE.as_ref().map(|(schema, _)| &schema["$defs"]);
    let objects = schema.ok().and_then(Value::as_object).into_iter().flatten();
    let keys = objects.filter_map(|(_, object)| object["properties"].as_object());
    let keys = keys.flat_map(|keys| keys.keys());
    keys.filter(|key| key.starts_with("x-")).cloned().collect()
}

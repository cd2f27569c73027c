//! Checks a value of the spec against the closed lists that it belongs to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Breach;
use crate::spec::join;

/// What the value of a key must be.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Checked elsewhere, or data.
    Any,
    /// A key of OpenAPI that must not be used: what to do instead.
    Never(&'static str),
    /// A text that is not blank.
    Text,
    /// The same, in one line.
    Line,
    Flag,
    /// A whole number.
    Integer,
    /// A whole number that is not negative.
    Count,
    /// The value `true`: to say `false`, the key is left out.
    True,
    /// A line, or a whole number that is not negative.
    LineOrCount,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts, each of them once.
    Texts,
    /// The same, of these words alone.
    EachOf(&'static [&'static str]),
    /// A list of objects with any names.
    Requirements,
    /// An object.
    One(&'static Object),
    /// What a schema allows beside its properties.
    Others(&'static Object),
    /// A list of one object.
    Single(&'static Object),
    /// A list of objects.
    Each(&'static Object),
    /// Objects by names.
    Named(&'static Object),
}
use Shape::{
    Any, Count, Each, EachOf, Flag, Integer, Line, LineOrCount, Named, Never, One, OneOf, Others,
    Requirements, Single, Text, Texts, True,
};

/// An object of an OpenAPI document.
pub(super) struct Object {
    /// What it is called in a message.
    pub(super) name: &'static str,
    pub(super) keys: &'static [(&'static str, Shape)],
    /// The keys that it must have, unless it is a reference.
    pub(super) needs: &'static [&'static str],
    /// The section of the components that a reference in its place must lead to.
    pub(super) section: Option<&'static str>,
    /// The object whose keys it may have as well.
    pub(super) base: Option<&'static Object>,
    /// What has a key with this name.
    pub(super) homes: fn(&str) -> Vec<&'static str>,
}

impl Object {
    /// The same object, which must have these keys.
    pub(super) const fn needing(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    fn keys(&self) -> impl Iterator<Item = &'static (&'static str, Shape)> {
        self.keys
            .iter()
            .chain(self.base.map_or(&[][..], |b| b.keys))
    }

    /// Checks a value that is to be this object, and all that is below it.
    pub(super) fn check(&self, pointer: &str, value: &Value, out: &mut Vec<Breach>) {
        let Some(map) = value.as_object() else {
            let problem = format!("it is {}, but {} is an object", kind(value), self.name);
            out.push(Breach::new(pointer, problem));
            return;
        };
        if map.contains_key("$ref") && map.len() > 1 {
            let fix = "let `$ref` stand alone, or below `allOf`";
            let problem = "what stands beside `$ref` is ignored";
            out.push(Breach::new(join(pointer, "$ref"), problem).with_fix(fix));
        }
        let lacks = |key: &&&str| !map.contains_key("$ref") && !map.contains_key(**key);
        for key in self.needs.iter().filter(lacks) {
            let problem = format!("{} lacks `{key}`", self.name);
            out.push(Breach::new(pointer, problem).with_fix(format!("add `{key}`")));
        }
        let reference = map.get("$ref").and_then(Value::as_str).unwrap_or_default();
        if let Some(section) = self.section
            && let Some(rest) = reference.strip_prefix("#/components/")
            && rest.split('/').next() != Some(section)
        {
            let problem = format!("`{reference}` is not {}", self.name);
            let fix = format!("refer to one below #/components/{section}/");
            out.push(Breach::new(join(pointer, "$ref"), problem).with_fix(fix));
        }
        for (key, value) in map {
            let place = join(pointer, key);
            match self.keys().find(|(known, _)| known == key) {
                Some((_, shape)) => shape.check(&place, key, value, out),
                None => out.push(self.unknown(&place, key)),
            }
        }
    }

    fn unknown(&self, place: &str, key: &str) -> Breach {
        let homes = (self.homes)(key);
        let known: Vec<&str> = self.keys().map(|(known, _)| *known).collect();
        let fix = match similar::get_close_matches(key.to_ascii_lowercase().as_str(), &known, 1, 0.75).first() {
            Some(close) => format!("write `{close}`"),
            None if homes.is_empty() => {
                "remove it: the generator ignores it; the keys that are allowed are in xtask/src/lint/keys.rs"
                    .to_owned()
            }
            None => format!("remove it here; `{key}` belongs to {}", homes.join(" or ")),
        };
        Breach::new(place, format!("{} has no key `{key}`", self.name)).with_fix(fix)
    }
}

impl Shape {
    fn check(self, place: &str, key: &str, value: &Value, out: &mut Vec<Breach>) {
        let wanted = match self {
            Any => return,
            Never(fix) => {
                out.push(Breach::new(place, format!("it has `{key}`")).with_fix(fix));
                return;
            }
            OneOf(words) => {
                if !value.as_str().is_some_and(|text| words.contains(&text)) {
                    out.push(not_one_of(place, key, value, words));
                }
                return;
            }
            Texts => return texts(place, key, value, &[], out),
            EachOf(words) => return texts(place, key, value, words, out),
            One(object) => return object.check(place, value, out),
            Others(object) if !value.is_boolean() => return object.check(place, value, out),
            Single(object) if value.as_array().is_some_and(|list| list.len() == 1) => {
                return object.check(&join(place, "0"), &value[0], out);
            }
            Each(object) if value.is_array() => return each(object, place, value, out),
            Named(object) if value.is_object() => return each(object, place, value, out),
            Text if is_text(value) => return,
            Line if is_line(value) => return,
            LineOrCount if is_line(value) || value.is_u64() => return,
            Flag if value.is_boolean() => return,
            True if *value == Value::Bool(true) => return,
            Integer if value.is_i64() => return,
            Count if value.is_u64() => return,
            Requirements if is_requirements(value) => return,
            Others(_) => "`{}`; D1 adds fields, and the client keeps them",
            Single(_) => "a list with one entry",
            Each(_) => "a list",
            Named(_) => "an object",
            Text => "a text that is not blank",
            Line => "a text of one line, without blanks around it",
            LineOrCount => "a text of one line, or a whole number that is not negative",
            Flag => "true or false",
            True => "true, or remove the key",
            Integer => "a whole number",
            Count => "a whole number that is not negative",
            Requirements => "a list of objects, such as `- bearerAuth: []`",
        };
        let problem = format!("`{key}` is {}", kind(value));
        out.push(Breach::new(place, problem).with_fix(format!("write {wanted}")));
    }
}

/// Checks each item of a list, or of an object.
fn each(object: &Object, place: &str, value: &Value, out: &mut Vec<Breach>) {
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        object.check(&join(place, &i.to_string()), item, out);
    }
    for (name, item) in value.as_object().into_iter().flatten() {
        object.check(&join(place, name), item, out);
    }
}

fn is_requirements(value: &Value) -> bool {
    let list = value.as_array();
    list.is_some_and(|list| list.iter().all(Value::is_object))
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn is_line(value: &Value) -> bool {
    let is_line = |text: &str| text.trim() == text && !text.contains(char::is_control);
    is_text(value) && value.as_str().is_some_and(is_line)
}

/// A list of texts, at least one, each of them once, and all of them among `words` unless that is empty.
fn texts(place: &str, key: &str, value: &Value, words: &[&str], out: &mut Vec<Breach>) {
    let items = match value.as_array() {
        Some(items) if !items.is_empty() => items,
        other => {
            let what = other.map_or_else(|| kind(value), |_| "an empty list".to_owned());
            let fix = "write a list of texts, or remove the key";
            out.push(Breach::new(place, format!("`{key}` is {what}")).with_fix(fix));
            return;
        }
    };
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let place = join(place, &i.to_string());
        match item.as_str() {
            _ if !is_line(item) => {
                let problem = format!("`{key}` holds {}", kind(item));
                let fix = "write a text of one line, without blanks around it";
                out.push(Breach::new(place, problem).with_fix(fix));
            }
            Some(text) if !words.is_empty() && !words.contains(&text) => {
                out.push(not_one_of(&place, key, item, words));
            }
            Some(text) if !seen.insert(text) => {
                let problem = format!("`{key}` has `{text}` twice");
                out.push(Breach::new(place, problem).with_fix("remove one of the two"));
            }
            Some(_) | None => {}
        }
    }
}

fn not_one_of(place: &str, key: &str, value: &Value, words: &[&str]) -> Breach {
    Breach::new(place, format!("`{key}` is {value}"))
        .with_fix(format!("use one of: {}", words.join(", ")))
}

/// What a value is, for a message.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

//! Checks a value of the spec against the closed lists that it belongs to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Breach;
use crate::spec::join;

/// What the value of a key must be.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Checked elsewhere, or data.
    Any,
    Text,
    Flag,
    /// A whole number.
    Integer,
    /// A whole number that is not negative.
    Count,
    /// The value `true`: to say `false`, the key is left out.
    True,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts, each of them once.
    Texts,
    /// The same, of these words alone.
    EachOf(&'static [&'static str]),
    /// Texts by names.
    NamedTexts,
    /// An object.
    One(&'static Object),
    /// An object, or a flag.
    OneOrFlag(&'static Object),
    /// A list of objects.
    Each(&'static Object),
    /// Objects by names.
    Named(&'static Object),
}
use Shape::{
    Any, Count, Each, EachOf, Flag, Integer, Named, NamedTexts, One, OneOf, OneOrFlag, Text, Texts,
    True,
};

/// An object of an OpenAPI document.
pub(super) struct Object {
    /// What it is called in a message.
    pub(super) name: &'static str,
    pub(super) keys: &'static [(&'static str, Shape)],
    /// The object whose keys it may have as well.
    pub(super) base: Option<&'static Object>,
    /// What has a key with this name.
    pub(super) homes: fn(&str) -> Vec<&'static str>,
}

impl Object {
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
                "take it out: the generator ignores it; what it may have stands in xtask/src/lint/keys.rs"
                    .to_owned()
            }
            None => format!("take it out here; `{key}` belongs to {}", homes.join(" or ")),
        };
        Breach::new(place, format!("{} has no key `{key}`", self.name)).with_fix(fix)
    }
}

impl Shape {
    fn check(self, place: &str, key: &str, value: &Value, out: &mut Vec<Breach>) {
        let (fits, wanted) = match self {
            Any => return,
            Text => (value.is_string(), "a text"),
            Flag => (value.is_boolean(), "true or false"),
            True => (*value == Value::Bool(true), "true, or the key left out"),
            Integer => (value.is_i64(), "a whole number"),
            Count => (value.is_u64(), "a whole number that is not negative"),
            OneOf(words) => {
                if !value.as_str().is_some_and(|text| words.contains(&text)) {
                    out.push(not_one_of(place, key, value, words));
                }
                return;
            }
            Texts => return texts(place, key, value, &[], out),
            EachOf(words) => return texts(place, key, value, words, out),
            NamedTexts => (named_texts(value), "a text for each name"),
            One(object) => return object.check(place, value, out),
            OneOrFlag(object) => {
                if !value.is_boolean() {
                    object.check(place, value, out);
                }
                return;
            }
            Each(object) => match value.as_array() {
                Some(items) => {
                    for (i, item) in items.iter().enumerate() {
                        object.check(&join(place, &i.to_string()), item, out);
                    }
                    return;
                }
                None => (false, "a list"),
            },
            Named(object) => match value.as_object() {
                Some(map) => return named(object, place, map, out),
                None => (false, "an object"),
            },
        };
        if !fits {
            let problem = format!("`{key}` is {}", kind(value));
            out.push(Breach::new(place, problem).with_fix(format!("let it be {wanted}")));
        }
    }
}

fn named(object: &Object, place: &str, map: &Map<String, Value>, out: &mut Vec<Breach>) {
    for (name, value) in map {
        object.check(&join(place, name), value, out);
    }
}

fn named_texts(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|map| map.values().all(Value::is_string))
}

/// A list of texts without a text twice, all of them among `words` unless that is empty.
fn texts(place: &str, key: &str, value: &Value, words: &[&str], out: &mut Vec<Breach>) {
    let Some(items) = value.as_array() else {
        let problem = format!("`{key}` is {}", kind(value));
        out.push(Breach::new(place, problem).with_fix("let it be a list of texts"));
        return;
    };
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let place = join(place, &i.to_string());
        match item.as_str() {
            None | Some("") => {
                let problem = format!("`{key}` holds {}", kind(item));
                out.push(Breach::new(place, problem).with_fix("let it be a text"));
            }
            Some(text) if !words.is_empty() && !words.contains(&text) => {
                out.push(not_one_of(&place, key, item, words));
            }
            Some(text) if !seen.insert(text) => {
                let problem = format!("`{key}` has `{text}` twice");
                out.push(Breach::new(place, problem).with_fix("take one of the two out"));
            }
            Some(_) => {}
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

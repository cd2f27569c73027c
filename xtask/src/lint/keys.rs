//! The closed lists: which keys an object of the spec may have, and what each of them may hold.
//!
//! The generator ignores a key that it does not know. A typo in one of ours would therefore change what is
//! generated without a word: a schema with card data would get a `Debug` that prints it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Breach;
use crate::error_table::CONDITIONS;
use crate::spec::join;

/// What the value of a key must be.
#[derive(Clone, Copy)]
enum Shape {
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
struct Object {
    /// What it is called in a message.
    name: &'static str,
    keys: &'static [(&'static str, Shape)],
    /// The object whose keys it may have as well.
    base: Option<&'static Object>,
}

const fn object(name: &'static str, keys: &'static [(&'static str, Shape)]) -> Object {
    Object {
        name,
        keys,
        base: None,
    }
}

const CONFIDENCE: Shape = OneOf(&["sibling", "client", "inferred"]);

static DOCUMENT: Object = object(
    "the document",
    &[
        ("openapi", Text),
        ("info", One(&INFO)),
        ("servers", Each(&SERVER)),
        ("tags", Each(&TAG)),
        ("security", Any),
        ("paths", Named(&PATH)),
        ("components", One(&COMPONENTS)),
    ],
);

static INFO: Object = object(
    "info",
    &[
        ("title", Text),
        ("version", Text),
        ("description", Text),
        ("license", One(&LINK)),
        ("contact", One(&LINK)),
    ],
);

static LINK: Object = object("license or contact", &[("name", Text), ("url", Text)]);

static SERVER: Object = object(
    "a server",
    &[
        ("url", Text),
        ("description", Text),
        ("x-d1-environment", OneOf(&["production", "staging"])),
        ("x-d1-confidence", CONFIDENCE),
    ],
);

static TAG: Object = object("a tag", &[("name", Text), ("description", Text)]);

static PATH: Object = object(
    "a path",
    &[
        ("summary", Text),
        ("description", Text),
        ("parameters", Each(&PARAMETER)),
        ("get", One(&OPERATION)),
        ("put", One(&OPERATION)),
        ("post", One(&OPERATION)),
        ("delete", One(&OPERATION)),
        ("patch", One(&OPERATION)),
    ],
);

static OPERATION: Object = object(
    "an operation",
    &[
        ("operationId", Text),
        ("tags", Texts),
        ("summary", Text),
        ("description", Text),
        ("security", Any),
        ("parameters", Each(&PARAMETER)),
        ("requestBody", One(&BODY)),
        ("responses", Named(&RESPONSE)),
        ("x-d1-confidence", CONFIDENCE),
    ],
);

static PARAMETER: Object = object(
    "a parameter",
    &[
        ("$ref", Text),
        ("name", Text),
        ("in", OneOf(&["path", "query", "header"])),
        ("required", Flag),
        ("description", Text),
        ("schema", One(&SCHEMA)),
        ("example", Any),
        ("x-d1-confidence", CONFIDENCE),
        ("x-d1-rust-name", Text),
    ],
);

static BODY: Object = object(
    "a request body",
    &[
        ("$ref", Text),
        ("required", Flag),
        ("description", Text),
        ("content", Named(&MEDIA)),
    ],
);

static RESPONSE: Object = object(
    "a response",
    &[
        ("$ref", Text),
        ("description", Text),
        ("content", Named(&MEDIA)),
        ("x-d1-confidence", CONFIDENCE),
        ("x-d1-errors", Each(&ERROR_ROW)),
    ],
);

static MEDIA: Object = object(
    "a media type",
    &[("schema", One(&SCHEMA)), ("example", Any)],
);

static ERROR_ROW: Object = object(
    "a row of x-d1-errors",
    &[
        ("code", Text),
        ("meaning", Text),
        ("advice", Text),
        ("retryable", Flag),
        ("tenant", OneOf(&["migrated"])),
        ("when", EachOf(&CONDITION_NAMES)),
        ("x-d1-confidence", CONFIDENCE),
    ],
);

const CONDITION_NAMES: [&str; CONDITIONS.len()] = {
    let mut names = [""; CONDITIONS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = CONDITIONS[i].0;
        i += 1;
    }
    names
};

static COMPONENTS: Object = object(
    "components",
    &[
        ("schemas", Named(&COMPONENT_SCHEMA)),
        ("parameters", Named(&PARAMETER)),
        ("requestBodies", Named(&BODY)),
        ("responses", Named(&RESPONSE)),
        ("securitySchemes", Named(&SECURITY_SCHEME)),
    ],
);

static SECURITY_SCHEME: Object = object(
    "a security scheme",
    &[
        ("type", OneOf(&["http"])),
        ("scheme", OneOf(&["bearer"])),
        ("bearerFormat", Text),
        ("description", Text),
    ],
);

static SCHEMA: Object = object(
    "a schema",
    &[
        ("$ref", Text),
        (
            "type",
            OneOf(&["string", "integer", "number", "boolean", "array", "object"]),
        ),
        (
            "format",
            OneOf(&["int32", "int64", "float", "double", "date", "date-time"]),
        ),
        ("title", Text),
        ("description", Text),
        ("example", Any),
        ("default", Any),
        ("enum", Texts),
        ("pattern", Text),
        ("minLength", Count),
        ("maxLength", Count),
        ("minimum", Integer),
        ("maximum", Integer),
        ("exclusiveMinimum", Any),
        ("exclusiveMaximum", Any),
        ("multipleOf", Any),
        ("items", One(&SCHEMA)),
        ("minItems", Count),
        ("maxItems", Count),
        ("properties", Named(&PROPERTY)),
        ("required", Texts),
        ("additionalProperties", OneOrFlag(&SCHEMA)),
        ("allOf", Each(&SCHEMA)),
        ("anyOf", Each(&SCHEMA)),
        ("oneOf", Each(&SCHEMA)),
        ("not", One(&SCHEMA)),
        ("x-d1-confidence", CONFIDENCE),
    ],
);

static PROPERTY: Object = Object {
    name: "a property",
    keys: &[
        ("x-d1-default", Any),
        ("x-d1-reserved", True),
        ("x-d1-rust-name", Text),
    ],
    base: Some(&SCHEMA),
};

static COMPONENT_SCHEMA: Object = Object {
    name: "a schema below components",
    keys: &[
        ("x-d1-client", OneOf(&["omit"])),
        ("x-d1-default", Any),
        ("x-d1-sent-claims", Texts),
        ("x-d1-value-descriptions", NamedTexts),
        ("x-extensible-enum", Texts),
    ],
    base: Some(&SCHEMA),
};

/// Everything that has keys, to say where one belongs.
static OBJECTS: [&Object; 14] = [
    &DOCUMENT,
    &INFO,
    &SERVER,
    &TAG,
    &PATH,
    &OPERATION,
    &PARAMETER,
    &BODY,
    &RESPONSE,
    &MEDIA,
    &ERROR_ROW,
    &SCHEMA,
    &PROPERTY,
    &COMPONENT_SCHEMA,
];

impl Object {
    fn keys(&self) -> impl Iterator<Item = &'static (&'static str, Shape)> {
        self.keys
            .iter()
            .chain(self.base.map_or(&[][..], |b| b.keys))
    }

    /// Checks a value that is to be this object, and all that is below it.
    fn check(&self, pointer: &str, value: &Value, out: &mut Vec<Breach>) {
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
        let homes: Vec<_> = OBJECTS
            .iter()
            .filter(|o| o.keys.iter().any(|(known, _)| *known == key))
            .map(|o| o.name)
            .collect();
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

pub(super) fn closed_keys(spec: &Value, out: &mut Vec<Breach>) {
    DOCUMENT.check("", spec, out);
}

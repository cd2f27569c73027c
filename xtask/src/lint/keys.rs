//! The closed lists: which keys an object of the spec may have, and what each of them may hold.
//!
//! The generator ignores a key that it does not know. A typo in one of ours would therefore change what is
//! generated without a word: a schema with card data would get a `Debug` that prints it.

use serde_json::Value;

use super::Breach;
use super::shape::Object;
use super::shape::Shape::{
    self, Any, Count, Each, EachOf, Flag, Integer, Named, NamedTexts, One, OneOf, OneOrFlag, Text,
    Texts, True,
};
use crate::error_table::CONDITIONS;

const fn object(name: &'static str, keys: &'static [(&'static str, Shape)]) -> Object {
    Object {
        name,
        keys,
        base: None,
        homes,
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
        ("x-d1-reason-codes", Texts),
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
    homes,
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
    homes,
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

fn homes(key: &str) -> Vec<&'static str> {
    let has = |object: &&&Object| object.keys.iter().any(|(known, _)| *known == key);
    OBJECTS
        .iter()
        .filter(has)
        .map(|object| object.name)
        .collect()
}

pub(super) fn closed_keys(spec: &Value, out: &mut Vec<Breach>) {
    DOCUMENT.check("", spec, out);
}

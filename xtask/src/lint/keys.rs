//! The closed lists: which keys an object of the spec may have, and what each of them may hold.
//!
//! The generator ignores a key that it does not know. A typo in one of ours would therefore change what is
//! generated without a word: a schema with card data would get a `Debug` that prints it.

use serde_json::Value;

use super::Breach;
use super::shape::Object;
use super::shape::Shape::{
    self, Any, Count, Each, EachOf, Flag, Integer, Line, LineOrCount, Named, Never, One, OneOf,
    Others, Requirements, Single, Text, Texts, True,
};
use crate::error_table::CONDITIONS;

const fn object(name: &'static str, keys: &'static [(&'static str, Shape)]) -> Object {
    Object {
        name,
        keys,
        needs: &[],
        section: None,
        base: None,
        homes,
    }
}

/// An object in whose place a reference to the components may stand.
const fn component(
    name: &'static str,
    section: &'static str,
    keys: &'static [(&'static str, Shape)],
) -> Object {
    Object {
        section: Some(section),
        ..object(name, keys)
    }
}

/// The hosts that the client knows.
pub(super) const ENVIRONMENTS: &[&str] = &["production", "staging"];

const CONFIDENCE: Shape = OneOf(&["sibling", "client", "inferred"]);

static DOCUMENT: Object = object(
    "the document",
    &[
        ("openapi", Line),
        ("info", One(&INFO)),
        ("servers", Each(&SERVER)),
        ("tags", Each(&TAG)),
        ("security", Requirements),
        ("paths", Named(&PATH)),
        ("components", One(&COMPONENTS)),
    ],
)
.needing(&["info", "paths"]);

static INFO: Object = object(
    "info",
    &[
        ("title", Line),
        ("version", Any),
        ("description", Text),
        ("license", One(&LINK)),
        ("contact", One(&LINK)),
    ],
)
.needing(&["title"]);

static LINK: Object =
    object("license or contact", &[("name", Line), ("url", Line)]).needing(&["name"]);

static SERVER: Object = object(
    "a server",
    &[
        ("url", Line),
        ("description", Text),
        ("x-d1-environment", OneOf(ENVIRONMENTS)),
        ("x-d1-confidence", CONFIDENCE),
    ],
)
.needing(&["url", "x-d1-environment"]);

static TAG: Object = object("a tag", &[("name", Line), ("description", Text)]).needing(&["name"]);

static PATH: Object = object(
    "a path",
    &[
        ("summary", Line),
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
        ("operationId", Line),
        ("tags", Texts),
        ("summary", Line),
        ("description", Text),
        ("security", Requirements),
        ("parameters", Each(&PARAMETER)),
        ("requestBody", One(&BODY)),
        ("responses", Named(&RESPONSE)),
        ("x-d1-confidence", CONFIDENCE),
        ("x-d1-reason-codes", Texts),
    ],
)
.needing(&["operationId", "summary", "responses"]);

static PARAMETER: Object = component(
    "a parameter",
    "parameters",
    &[
        ("$ref", Line),
        ("name", Line),
        ("in", OneOf(&["path", "query", "header"])),
        ("required", Flag),
        ("description", Text),
        ("schema", One(&SCHEMA)),
        ("example", Any),
        ("x-d1-confidence", CONFIDENCE),
        ("x-d1-rust-name", Line),
    ],
)
.needing(&["name", "in", "schema"]);

static BODY: Object = component(
    "a request body",
    "requestBodies",
    &[
        ("$ref", Line),
        ("required", Flag),
        ("description", Text),
        ("content", One(&CONTENT)),
    ],
)
.needing(&["content"]);

static RESPONSE: Object = component(
    "a response",
    "responses",
    &[
        ("$ref", Line),
        ("description", Text),
        ("content", One(&CONTENT)),
        ("x-d1-confidence", CONFIDENCE),
        ("x-d1-errors", Each(&ERROR_ROW)),
    ],
)
.needing(&["description"]);

static CONTENT: Object = object(
    "content",
    &[
        ("application/json", One(&MEDIA)),
        ("application/x-www-form-urlencoded", One(&MEDIA)),
    ],
);

static MEDIA: Object = object(
    "a media type",
    &[("schema", One(&SCHEMA)), ("example", Any)],
)
.needing(&["schema"]);

static ERROR_ROW: Object = object(
    "a row of x-d1-errors",
    &[
        ("code", Line),
        ("meaning", Line),
        ("advice", Line),
        ("retryable", Flag),
        ("tenant", OneOf(&["migrated"])),
        ("when", EachOf(&CONDITION_NAMES)),
        ("x-d1-confidence", CONFIDENCE),
    ],
)
.needing(&["meaning", "advice"]);

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
        ("bearerFormat", Line),
        ("description", Text),
    ],
)
.needing(&["type", "scheme"]);

const OPEN_VALUES: &str = "use x-extensible-enum on a plain string for open values; alternatives compile and fail at run time";
const UNCHECKED: &str = "remove it; the client does not check it";

static SCHEMA: Object = component(
    "a schema",
    "schemas",
    &[
        ("$ref", Line),
        (
            "type",
            OneOf(&["string", "integer", "number", "boolean", "array", "object"]),
        ),
        (
            "format",
            OneOf(&["int32", "int64", "float", "double", "date", "date-time"]),
        ),
        ("description", Text),
        ("example", Any),
        ("default", Any),
        (
            "enum",
            Never(
                "list the values in x-extensible-enum of a schema below components; D1 adds values, and a closed list refuses them",
            ),
        ),
        ("pattern", Line),
        ("minLength", Count),
        ("maxLength", Count),
        ("minimum", Integer),
        ("maximum", Integer),
        ("exclusiveMinimum", Never(UNCHECKED)),
        ("exclusiveMaximum", Never(UNCHECKED)),
        ("multipleOf", Never(UNCHECKED)),
        ("items", One(&SCHEMA)),
        ("minItems", Count),
        ("maxItems", Count),
        ("properties", Named(&PROPERTY)),
        ("required", Texts),
        ("additionalProperties", Others(&SCHEMA)),
        ("allOf", Single(&SCHEMA)),
        ("anyOf", Never(OPEN_VALUES)),
        ("oneOf", Never(OPEN_VALUES)),
        ("x-d1-confidence", CONFIDENCE),
    ],
);

static PROPERTY: Object = Object {
    name: "a property",
    keys: &[
        ("x-d1-default", LineOrCount),
        ("x-d1-reserved", True),
        ("x-d1-rust-name", Line),
    ],
    needs: &[],
    section: Some("schemas"),
    base: Some(&SCHEMA),
    homes,
};

/// The claims that the client can make.
const CLAIMS: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "jti"];

static COMPONENT_SCHEMA: Object = Object {
    name: "a schema below components",
    keys: &[
        ("x-d1-client", OneOf(&["omit"])),
        ("x-d1-default", LineOrCount),
        ("x-d1-sent-claims", EachOf(&CLAIMS)),
        ("x-extensible-enum", Texts),
    ],
    needs: &[],
    section: Some("schemas"),
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

/// The keys of ours, which are the extensions that the spec may use.
#[must_use]
pub fn extensions() -> std::collections::BTreeSet<&'static str> {
    let keys = OBJECTS.iter().flat_map(|object| object.keys);
    keys.map(|(key, _)| *key)
        .filter(|key| key.starts_with("x-"))
        .collect()
}

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

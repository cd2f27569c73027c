//! Rules on schemas.

use serde_json::{Value, json};

use super::{Case, case, change, read, schema};

const CHANGE: &str = "components.schemas.Change";
const REASON: &str = "components.schemas.Change.reason";
const REASON_TYPE: &str = "components.schemas.Reason";
const REASON_SCHEMA: &str = "components.schemas.Change.properties.reason";

/// Puts `value` in the place of the property `reason` of the schema `Change`.
fn reason(spec: &mut Value, value: Value) {
    schema(spec, "Change")["properties"]["reason"] = value;
}

pub(crate) const CASES: &[Case] = &[
    case("dead-reference", REASON_SCHEMA, "leads nowhere", |s| {
        reason(s, json!({"$ref": "#/components/schemas/Nothing"}));
    }),
    case("dead-reference", REASON_SCHEMA, "leads nowhere", |s| {
        reason(s, json!({"$ref": "other.yaml#/components/schemas/Reason"}));
    }),
    case("dead-reference", REASON_SCHEMA, "leaves out", |s| {
        reason(s, json!({"$ref": "#/components/schemas/Secret"}));
    }),
    case("pattern-dialect", REASON_TYPE, "is no pattern", |s| {
        schema(s, "Reason")["pattern"] = json!("^[a-z{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "more than a group", |s| {
        schema(s, "Reason")["pattern"] = json!("^(?=a)[a-z]{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "more than a group", |s| {
        schema(s, "Reason")["pattern"] = json!("^(?i)[a-z]{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "Unicode", |s| {
        schema(s, "Reason")["pattern"] = json!(r"^\d{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "Unicode", |s| {
        schema(s, "Reason")["pattern"] = json!(r"^[\w]{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "a dot", |s| {
        schema(s, "Reason")["pattern"] = json!("^.{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "a set operation", |s| {
        schema(s, "Reason")["pattern"] = json!("^[a-z&&b]{1,9}$");
    }),
    case("pattern-dialect", REASON_TYPE, "a set within a set", |s| {
        schema(s, "Reason")["pattern"] = json!("^[a[b]]{1,9}$");
    }),
    case("any-of", REASON_SCHEMA, "anyOf", |s| {
        reason(s, json!({"anyOf": [{"type": "string"}]}));
    }),
    case(
        "any-of",
        "changeCard.requestBody.content.application/json.schema",
        "anyOf",
        |s| {
            let content = &mut change(s)["requestBody"]["content"]["application/json"];
            content["schema"] = json!({"anyOf": [{"type": "string"}]});
        },
    ),
    case("property-default", REASON, "default", |s| {
        reason(s, json!({"type": "string", "default": "A"}));
    }),
    case("property-default", REASON, "default", |s| {
        schema(s, "Reason")["default"] = json!("A");
    }),
    case("property-default", REASON, "default", |s| {
        let named = json!({"$ref": "#/components/schemas/Reason"});
        reason(s, json!({"allOf": [named], "description": "Why."}));
        schema(s, "Reason")["default"] = json!("A");
    }),
    case("numeric-bounds", REASON_SCHEMA, "`minimum`", |s| {
        reason(s, json!({"type": "integer", "minimum": 1}));
    }),
    case("closed-object", CHANGE, "unknown fields", |s| {
        schema(s, "Change")["additionalProperties"] = json!(false);
    }),
    case(
        "closed-object",
        "readCard.responses.200.content.application/json.schema",
        "unknown fields",
        |s| {
            let content = &mut read(s)["responses"]["200"]["content"]["application/json"];
            content["schema"] = json!({"type": "object", "additionalProperties": false});
        },
    ),
    case("description-code", CHANGE, "description", |s| {
        schema(s, "Change")["description"] = json!("See:\n```\nlet x;\n```");
    }),
    case("description-code", CHANGE, "description", |s| {
        schema(s, "Change")["description"] = json!("See:\n~~~\nlet x;\n~~~");
    }),
    case("description-code", "readCard", "description", |s| {
        read(s)["description"] = json!("See:\n\n    let x;");
    }),
    case("description-code", "readCard", "summary", |s| {
        read(s)["summary"] = json!("```let x;```");
    }),
    case("description-code", "info", "description", |s| {
        s["info"]["description"] = json!("See:\n\n\tlet x;");
    }),
];

/// Puts `value` in the place of the property `id` of the schema `Card`, which is returned.
fn returned(spec: &mut Value, value: Value) {
    schema(spec, "Card")["properties"]["id"] = value;
}

const OPEN: &str = "response-stays-open";

pub(crate) const RESPONSES: &[Case] = &[
    case(OPEN, "readCard 200 id", "`pattern`", |s| {
        returned(s, json!({"type": "string", "pattern": "^[a-z]$"}));
    }),
    case(OPEN, "readCard 200 id", "`enum`", |s| {
        returned(s, json!({"$ref": "#/components/schemas/Reason"}));
    }),
    case(OPEN, "readCard 200 id", "`format`", |s| {
        returned(s, json!({"type": "string", "format": "date-time"}));
    }),
    case(OPEN, "readCard 200 id", "`enum`", |s| {
        returned(s, json!({"oneOf": [{"type": "string", "enum": ["A"]}]}));
    }),
    case(OPEN, "readCard 200 tags", "`maxLength`", |s| {
        schema(s, "Card")["properties"]["tags"]["items"]["maxLength"] = json!(9);
    }),
    case(OPEN, "readCard 200", "`minLength`", |s| {
        let texts = json!({"type": "string", "minLength": 1});
        schema(s, "Card")["additionalProperties"] = texts;
    }),
    case(OPEN, "changeCard 2XX", "`maxItems`", |s| {
        let list = json!({"type": "array", "maxItems": 3, "items": {"type": "string"}});
        change(s)["responses"]["2XX"]["content"] = json!({"application/json": {"schema": list}});
    }),
    case(OPEN, "changeCard 403 error", "`pattern`", |s| {
        // The other operation's errors are left with another body of their own.
        let mut other = schema(s, "ErrorBody").clone();
        other["properties"]["error"]["pattern"] = json!("^[a-z]$");
        *schema(s, "OtherBody") = other;
        let content = &mut change(s)["responses"]["403"]["content"]["application/json"];
        content["schema"]["$ref"] = json!("#/components/schemas/OtherBody");
    }),
];

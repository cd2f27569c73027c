//! Rules on schemas.

use serde_json::{Value, json};

use super::{Case, case, change, read, remove, schema};

/// Puts `value` in the place of the property `reason` of the schema `Change`.
fn reason(spec: &mut Value, value: Value) {
    schema(spec, "Change")["properties"]["reason"] = value;
}

/// Adds an open list of values.
fn open(spec: &mut Value, values: &[&str]) {
    schema(spec, "Change")["properties"]["open"] = json!({"$ref": "#/components/schemas/Open"});
    *schema(spec, "Open") = json!({"type": "string", "x-extensible-enum": values});
}

const KEYS: &str = "closed-keys";

pub(crate) const CASES: &[Case] = &[
    case("dead-reference", |s| {
        reason(s, json!({"$ref": "#/components/schemas/Nothing"}));
    }),
    case("dead-reference", |s| {
        reason(s, json!({"$ref": "other.yaml#/components/schemas/Reason"}));
    }),
    case("dead-reference", |s| {
        reason(s, json!({"$ref": "#/components/schemas/Secret"}));
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!("^[a-z{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!("^(?=a)[a-z]{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!("^(?i)[a-z]{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!(r"^\d{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!(r"^[\w]{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!("^.{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!("^[a-z&&b]{1,9}$");
    }),
    case("pattern-dialect", |s| {
        schema(s, "Reason")["pattern"] = json!("^[a[b]]{1,9}$");
    }),
    case("cyclic-reference", |s| {
        schema(s, "Change")["properties"]["before"] =
            json!({"$ref": "#/components/schemas/Change"});
    }),
    case("cyclic-reference", |s| {
        *schema(s, "Reason") = json!({"allOf": [{"$ref": "#/components/schemas/Reason"}]});
    }),
    case("card-data", |s| {
        let pan = json!({"pan": {"type": "string"}});
        *schema(s, "CardCredentials") =
            json!({"type": "object", "x-d1-client": "omit", "properties": pan});
        schema(s, "Change")["properties"]["pan"] = json!({"type": "string"});
    }),
    case("declared-names", |s| {
        schema(s, "Change")["required"] = json!(["state"]);
    }),
    case("reserved", |s| {
        schema(s, "Card")["properties"]["id"]["x-d1-reserved"] = json!(true);
    }),
    case("bounds", |s| {
        let text = json!({"type": "string", "minLength": 9, "maxLength": 3});
        reason(s, text);
    }),
    // The lengths of a pattern and those beside it.
    case("bounds", |s| {
        schema(s, "CardId")["maxLength"] = json!(40);
    }),
    case("bounds", |s| {
        schema(s, "CardId")["maxLength"] = json!(50);
    }),
    case("bounds", |s| {
        schema(s, "CardId")["minLength"] = json!(2);
    }),
    case("bounds", |s| {
        let text = json!({"type": "string", "pattern": "^[^a]{5,}$", "maxLength": 4});
        reason(s, text);
    }),
    case("bounds", |s| {
        read(s)["parameters"][1]["schema"]["minimum"] = json!(11);
        read(s)["parameters"][1]["schema"]["maximum"] = json!(10);
        remove(&mut read(s)["parameters"][1]["schema"], "default");
    }),
    case("open-values", |s| open(s, &["lost"])),
    case("open-values", |s| {
        open(s, &["CARD_LOST", "CARD__LOST"]);
    }),
    case("open-values", |s| open(s, &["UNKNOWN"])),
    case("declared-names", |s| {
        read(s)["x-d1-reason-codes"] = json!(["LOST"]);
    }),
    case("valid-values", |s| {
        open(s, &["LOST"]);
        schema(s, "Open")["x-d1-default"] = json!("FOUND");
    }),
    case("valid-values", |s| {
        schema(s, "Card")["example"] = json!({"tags": "none"});
    }),
    case("valid-values", |s| {
        schema(s, "CardId")["example"] = json!("an id");
    }),
    case("valid-values", |s| {
        read(s)["parameters"][1]["example"] = json!(51);
    }),
    case("valid-values", |s| {
        read(s)["parameters"][1]["schema"]["default"] = json!("ten");
    }),
    case(KEYS, |s| {
        reason(s, json!({"anyOf": [{"type": "string"}]}));
    }),
    case(KEYS, |s| {
        reason(s, json!({"oneOf": [{"type": "string"}]}));
    }),
    case(KEYS, |s| reason(s, json!({"allOf": []}))),
    case(KEYS, |s| {
        let named = json!({"$ref": "#/components/schemas/Reason"});
        reason(s, json!({"allOf": [named, {"type": "string"}]}));
    }),
    case(KEYS, |s| {
        schema(s, "Reason")["enum"] = json!(["A", "B"]);
    }),
    case(KEYS, |s| {
        schema(s, "Reason")["exclusiveMinimum"] = json!(3);
    }),
    case("property-default", |s| {
        reason(s, json!({"type": "string", "default": "A"}));
    }),
    case("property-default", |s| {
        remove(&mut schema(s, "Change")["properties"], "reasonCode");
        schema(s, "Reason")["default"] = json!("A");
    }),
    case("property-default", |s| {
        remove(&mut schema(s, "Change")["properties"], "reasonCode");
        let named = json!({"$ref": "#/components/schemas/Reason"});
        reason(s, json!({"allOf": [named], "description": "Why."}));
        schema(s, "Reason")["default"] = json!("A");
    }),
    case("numeric-bounds", |s| {
        reason(s, json!({"type": "integer", "minimum": 1}));
    }),
    case(KEYS, |s| {
        schema(s, "Change")["additionalProperties"] = json!(false);
    }),
    case(OPEN, |s| {
        remove(schema(s, "Card"), "additionalProperties");
    }),
    case("unused-schema", |s| {
        remove(schema(s, "Secret"), "x-d1-client");
    }),
    case("schema-names", |s| {
        *schema(s, "secret") = json!({"type": "string", "x-d1-client": "omit"});
    }),
    case("schema-names", |s| {
        *schema(s, "Self") = json!({"type": "string", "x-d1-client": "omit"});
    }),
    case("schema-names", |s| {
        *schema(s, "SECRET") = json!({"type": "string", "x-d1-client": "omit"});
    }),
    case("schema-names", |s| {
        *schema(s, "Err") = json!({"type": "string", "x-d1-client": "omit"});
    }),
    case("types", |s| {
        remove(schema(s, "CardId"), "type");
    }),
    case("types", |s| {
        schema(s, "Reason")["format"] = json!("int64");
    }),
    case("types", |s| {
        reason(s, json!({"type": "array"}));
    }),
    case("description-code", |s| {
        schema(s, "Change")["description"] = json!("See:\n```\nlet x;\n```");
    }),
    case("description-code", |s| {
        schema(s, "Change")["description"] = json!("See:\n~~~\nlet x;\n~~~");
    }),
    case("description-code", |s| {
        read(s)["description"] = json!("See:\n\n    let x;");
    }),
    case("description-code", |s| {
        read(s)["summary"] = json!("```let x;```");
    }),
    case("description-code", |s| {
        s["info"]["description"] = json!("See:\n\n\tlet x;");
    }),
];

/// Puts `value` in the place of the property `id` of the schema `Card`, which is returned.
fn returned(spec: &mut Value, value: Value) {
    schema(spec, "Card")["properties"]["id"] = value;
}

const OPEN: &str = "response-stays-open";

pub(crate) const RESPONSES: &[Case] = &[
    case(OPEN, |s| {
        returned(s, json!({"type": "string", "pattern": "^[a-z]$"}));
    }),
    case(OPEN, |s| {
        returned(s, json!({"$ref": "#/components/schemas/CardId"}));
    }),
    case(OPEN, |s| {
        returned(s, json!({"type": "string", "format": "date-time"}));
    }),
    case(OPEN, |s| {
        schema(s, "Card")["properties"]["tags"]["items"]["maxLength"] = json!(9);
    }),
    case(OPEN, |s| {
        let texts = json!({"type": "string", "minLength": 1});
        schema(s, "Card")["additionalProperties"] = texts;
    }),
    case(OPEN, |s| {
        let list = json!({"type": "array", "maxItems": 3, "items": {"type": "string"}});
        change(s)["responses"]["2XX"]["content"] = json!({"application/json": {"schema": list}});
    }),
    case(OPEN, |s| {
        // The other operation's errors are left with another body of their own.
        let mut other = schema(s, "ErrorBody").clone();
        other["properties"]["error"]["pattern"] = json!("^[a-z]$");
        *schema(s, "OtherBody") = other;
        let content = &mut change(s)["responses"]["403"]["content"]["application/json"];
        content["schema"]["$ref"] = json!("#/components/schemas/OtherBody");
    }),
];

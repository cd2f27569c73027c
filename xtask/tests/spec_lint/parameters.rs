//! Rules on parameters: a path parameter that can leave its segment, a query parameter with a type.

use serde_json::{Value, json};

use super::{Case, case, change, read, remove, schema};

fn pattern(spec: &mut Value, pattern: &str) {
    schema(spec, "CardId")["pattern"] = json!(pattern);
}

const PATH: &str = "path-parameter-pattern";
const DIALECT: &str = "pattern-dialect";
const NAMES: &str = "parameter-names";
const TEMPLATE: &str = "path-template";

pub(crate) const CASES: &[Case] = &[
    case(PATH, |s| {
        let inline = json!({"type": "string", "pattern": "^[a-z]{1,9}$"});
        read(s)["parameters"][0]["schema"] = inline;
    }),
    case(PATH, |s| {
        *schema(s, "CardId") = json!({"type": "string"});
    }),
    case(DIALECT, |s| pattern(s, "[a-z]{1,9}")),
    case(DIALECT, |s| pattern(s, "^[a-z]{1,9}")),
    case(PATH, |s| pattern(s, "^[a-z.]{1,9}$")),
    case(PATH, |s| pattern(s, "^[^/]{1,9}$")),
    case(PATH, |s| pattern(s, "^[a-z_.]{1,9}$")),
    // From `A` to `z` there are `[`, `\`, `]` and more; from `+` to `z` there are `.` and `/`.
    case(PATH, |s| {
        pattern(s, "^[A-z]{1,9}$");
    }),
    case(PATH, |s| pattern(s, "^[+-z]{1,9}$")),
    case(DIALECT, |s| {
        pattern(s, "^[a-z]{1,9}|[a-z.]{2}$");
    }),
    // An empty segment makes another path.
    case(PATH, |s| pattern(s, "^[a-z]{0,9}$")),
    case(PATH, |s| pattern(s, "^[a-z]*$")),
    case(TEMPLATE, |s| {
        remove(&mut read(s)["parameters"][0], "required");
    }),
    case(TEMPLATE, |s| {
        read(s)["parameters"].as_array_mut().unwrap().remove(0);
    }),
    case("query-parameter-inline", |s| {
        let named = json!({"$ref": "#/components/schemas/CardId"});
        read(s)["parameters"][1]["schema"] = named;
    }),
    case("query-parameter-inline", |s| {
        let patterned = json!({"type": "string", "pattern": "^[a-z]$"});
        read(s)["parameters"][1]["schema"] = patterned;
    }),
    // Named twice: in one list, in the path and in the operation, by the name in Rust.
    case(NAMES, |s| {
        let own = read(s)["parameters"].as_array_mut().unwrap();
        own.push(own[1].clone());
    }),
    case(NAMES, |s| {
        let shared = read(s)["parameters"][0].clone();
        s["paths"]["/cards/{cardId}"]["parameters"] = json!([shared]);
    }),
    case(NAMES, |s| {
        read(s)["parameters"][1]["x-d1-rust-name"] = json!("card_id");
    }),
    case(NAMES, |s| {
        let query = json!({"name": "body", "in": "query", "schema": {"type": "string"}});
        change(s)["parameters"] = json!([query]);
    }),
    case(NAMES, |s| {
        let header = json!({"name": "Authorization", "in": "header", "schema": {"type": "string"}});
        change(s)["parameters"] = json!([header]);
    }),
    case(NAMES, |s| {
        read(s)["parameters"][1]["name"] = json!("li mit");
    }),
    case(TEMPLATE, |s| {
        let path = s["paths"]["/cards:change"].take();
        s["paths"] =
            json!({"/cards/{cardId}": s["paths"]["/cards/{cardId}"], "cards:change": path});
    }),
    case("closed-keys", |s| {
        read(s)["parameters"][1] = json!({"$ref": "#/components/schemas/Reason"});
    }),
    case("query-parameter-inline", |s| {
        let query =
            json!({"name": "q", "in": "query", "schema": {"type": "string", "maxLength": 3}});
        s["paths"]["/cards:change"]["parameters"] = json!([query]);
    }),
    case("closed-keys", |s| {
        read(s)["parameters"][1]["schema"]["multipleOf"] = json!(5);
    }),
    case("closed-keys", |s| {
        remove(&mut read(s)["parameters"][1], "schema");
    }),
    case("closed-keys", |s| {
        read(s)["parameters"][1]["schema"] = json!({"type": "integer"});
        remove(&mut read(s)["parameters"][1], "in");
    }),
    case("numeric-bounds", |s| {
        let header = json!({"name": "x-n", "in": "header",
                "schema": {"type": "integer", "maximum": 5}});
        change(s)["parameters"] = json!([header]);
    }),
];

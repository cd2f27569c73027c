//! Rules on parameters: a path parameter that can leave its segment, a query parameter with a type.

use serde_json::{Value, json};

use super::{Case, case, change, read, schema};

fn pattern(spec: &mut Value, pattern: &str) {
    schema(spec, "CardId")["pattern"] = json!(pattern);
}

const PATH: &str = "path-parameter-pattern";
const CARD_ID: &str = "readCard cardId";

pub(crate) const CASES: &[Case] = &[
    case(PATH, CARD_ID, "no named schema", |s| {
        let inline = json!({"type": "string", "pattern": "^[a-z]{1,9}$"});
        read(s)["parameters"][0]["schema"] = inline;
    }),
    case(PATH, CARD_ID, "no pattern", |s| {
        *schema(s, "CardId") = json!({"type": "string"});
    }),
    case(PATH, CARD_ID, "not anchored", |s| pattern(s, "[a-z]{1,9}")),
    case(PATH, CARD_ID, "not anchored", |s| pattern(s, "^[a-z]{1,9}")),
    case(PATH, CARD_ID, "lets `.`", |s| pattern(s, "^[a-z.]{1,9}$")),
    case(PATH, CARD_ID, "lets `.`", |s| pattern(s, "^[^/]{1,9}$")),
    case(PATH, CARD_ID, "lets `.`", |s| pattern(s, "^[a-z_.]{1,9}$")),
    // From `A` to `z` there are `[`, `\`, `]` and more; from `+` to `z` there are `.` and `/`.
    case(PATH, CARD_ID, "`\\` through", |s| {
        pattern(s, "^[A-z]{1,9}$");
    }),
    case(PATH, CARD_ID, "lets `.`", |s| pattern(s, "^[+-z]{1,9}$")),
    case(PATH, CARD_ID, "lets `.`", |s| {
        pattern(s, "^[a-z]{1,9}|[a-z.]{2}$");
    }),
    // An empty segment makes another path.
    case(PATH, CARD_ID, "a pattern", |s| pattern(s, "^[a-z]{0,9}$")),
    case(PATH, CARD_ID, "a pattern", |s| pattern(s, "^[a-z]*$")),
    case(PATH, "readCard other", "no named schema", |s| {
        let shared = json!({"name": "other", "in": "path", "schema": {"type": "string"}});
        s["paths"]["/cards/{cardId}"]["parameters"] = json!([shared]);
    }),
    case(
        "query-parameter-inline",
        "readCard limit",
        "has `$ref`",
        |s| {
            let named = json!({"$ref": "#/components/schemas/CardId"});
            read(s)["parameters"][1]["schema"] = named;
        },
    ),
    case(
        "query-parameter-inline",
        "readCard limit",
        "`pattern`",
        |s| {
            let patterned = json!({"type": "string", "pattern": "^[a-z]$"});
            read(s)["parameters"][1]["schema"] = patterned;
        },
    ),
    case(
        "query-parameter-inline",
        "changeCard q",
        "`maxLength`",
        |s| {
            let query = json!({"name": "q", "in": "query", "schema": {"maxLength": 3}});
            s["paths"]["/cards:change"]["parameters"] = json!([query]);
        },
    ),
    case(
        "numeric-bounds",
        "readCard.parameters[1].schema",
        "`multipleOf`",
        |s| read(s)["parameters"][1]["schema"]["multipleOf"] = json!(5),
    ),
    case(
        "numeric-bounds",
        "changeCard.parameters[0].schema",
        "`maximum`",
        |s| {
            let header = json!({"name": "x-n", "in": "header",
                "schema": {"type": "integer", "maximum": 5}});
            change(s)["parameters"] = json!([header]);
        },
    ),
];

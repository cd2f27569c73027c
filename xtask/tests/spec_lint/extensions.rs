//! Rules on our own extensions.

use serde_json::{Value, json};

use super::{Case, case, change, read, remove, schema};

/// The only row of `changeCard`'s 403.
fn row(spec: &mut Value) -> &mut Value {
    &mut change(spec)["responses"]["403"]["x-d1-errors"][0]
}

const ROWS: &str = "error-rows";
const REFUSED: &str = "changeCard 403";

pub(crate) const ERROR_ROWS: &[Case] = &[
    case(ROWS, REFUSED, "no x-d1-errors", |s| {
        remove(&mut change(s)["responses"]["403"], "x-d1-errors");
    }),
    case(ROWS, REFUSED, "no x-d1-errors", |s| {
        change(s)["responses"]["403"]["x-d1-errors"] = json!([]);
    }),
    case(ROWS, REFUSED, "not an object", |s| *row(s) = json!("why")),
    case(ROWS, REFUSED, "`advice`", |s| remove(row(s), "advice")),
    case(ROWS, REFUSED, "`meaning`", |s| {
        row(s)["meaning"] = json!(7);
    }),
    case(ROWS, REFUSED, "unknown key `hint`", |s| {
        row(s)["hint"] = json!("none");
    }),
    case(ROWS, REFUSED, "`tenant`", |s| {
        row(s)["tenant"] = json!("v2");
    }),
    case(ROWS, REFUSED, "unknown condition `moon-is-full`", |s| {
        row(s)["when"] = json!(["moon-is-full"]);
    }),
    case(ROWS, REFUSED, "`when` has the wrong type", |s| {
        row(s)["when"] = json!("pan-same");
    }),
    case(ROWS, REFUSED, "`code` has the wrong type", |s| {
        row(s)["code"] = json!(17);
    }),
    case(ROWS, REFUSED, "`retryable` has the wrong type", |s| {
        row(s)["retryable"] = json!("false");
    }),
];

const NAME: &str = "rust-name";
const CHANGE: &str = "components.schemas.Change";

pub(crate) const NAMES: &[Case] = &[
    case(
        "confidence",
        "readCard.parameters[1]",
        "\"documented\"",
        |s| read(s)["parameters"][1]["x-d1-confidence"] = json!("documented"),
    ),
    case("confidence", CHANGE, "is true", |s| {
        schema(s, "Change")["x-d1-confidence"] = json!(true);
    }),
    case("confidence", "servers[0]", "\"guess\"", |s| {
        s["servers"][0]["x-d1-confidence"] = json!("guess");
    }),
    case(
        NAME,
        "components.schemas.Change.newState",
        "not snake_case",
        |s| {
            schema(s, "Change")["properties"]["newState"]["x-d1-rust-name"] = json!("newState");
        },
    ),
    case(
        NAME,
        "components.schemas.Change.reason",
        "`reason` in Rust already",
        |s| {
            schema(s, "Change")["properties"]["newState"]["x-d1-rust-name"] = json!("reason");
        },
    ),
    case(
        NAME,
        "components.schemas.Change.newCardId",
        "`new_card_id` in Rust already",
        |s| {
            let properties = &mut schema(s, "Change")["properties"];
            properties["newState"]["x-d1-rust-name"] = json!("new_card_id");
            properties["newCardId"] = json!({"type": "string"});
        },
    ),
    case(NAME, CHANGE, "ignored", |s| {
        schema(s, "Change")["x-d1-rust-name"] = json!("other");
    }),
    // A parameter of the path item belongs to each of its operations.
    case(NAME, "readCard.path.parameters[0]", "ignored", |s| {
        let shared = json!({"name": "q", "in": "query", "schema": {}, "x-d1-rust-name": "query"});
        s["paths"]["/cards/{cardId}"]["parameters"] = json!([shared]);
    }),
    case(NAME, "readCard.parameters[2]", "ignored", |s| {
        let header = json!({"name": "x-q", "in": "header", "x-d1-rust-name": "query"});
        let own = read(s)["parameters"].as_array_mut().unwrap();
        own.push(header);
    }),
    case(NAME, "readCard.parameters[1]", "not snake_case", |s| {
        read(s)["parameters"][1]["x-d1-rust-name"] = json!("pageSize");
    }),
];

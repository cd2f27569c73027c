//! Rules on our own extensions.

use serde_json::{Value, json};

use super::{Case, case, change, read, remove, schema};

/// The only row of `changeCard`'s 403.
fn row(spec: &mut Value) -> &mut Value {
    &mut change(spec)["responses"]["403"]["x-d1-errors"][0]
}

fn rows(spec: &mut Value) -> &mut Vec<Value> {
    let rows = &mut change(spec)["responses"]["403"]["x-d1-errors"];
    rows.as_array_mut().unwrap()
}

const ROWS: &str = "error-rows";
const KEYS: &str = "closed-keys";

pub(crate) const ERROR_ROWS: &[Case] = &[
    case(ROWS, |s| {
        remove(&mut change(s)["responses"]["403"], "x-d1-errors");
    }),
    case(ROWS, |s| {
        change(s)["responses"]["403"]["x-d1-errors"] = json!([]);
    }),
    case(ROWS, |s| {
        let row = row(s).clone();
        change(s)["responses"]["403"]["x-d1-errors"] = json!([row, row]);
    }),
    case(ROWS, |s| {
        let rows = change(s)["responses"]["403"]["x-d1-errors"].clone();
        change(s)["responses"]["2XX"]["x-d1-errors"] = rows;
    }),
    case(ROWS, |s| {
        let mut other = row(s).clone();
        other["meaning"] = json!("Something else.");
        row(s)["code"] = json!("REFUSED");
        other["code"] = json!("REFUSED");
        rows(s).push(other);
    }),
    case(ROWS, |s| {
        row(s)["when"] = json!(["new-card-id-same", "new-card-id-differs"]);
    }),
    // The request has no PAN.
    case(ROWS, |s| {
        row(s)["when"] = json!(["pan-same"]);
    }),
    case(KEYS, |s| {
        row(s)["when"] = json!([]);
    }),
    case(KEYS, |s| {
        row(s)["meaning"] = json!("");
    }),
    case(KEYS, |s| {
        row(s)["advice"] = json!(" \n");
    }),
    case(KEYS, |s| {
        row(s)["code"] = json!("TWO\nLINES");
    }),
    case(KEYS, |s| *row(s) = json!("why")),
    case(KEYS, |s| remove(row(s), "advice")),
    case(KEYS, |s| {
        row(s)["meaning"] = json!(7);
    }),
    case(KEYS, |s| {
        row(s)["hint"] = json!("none");
    }),
    case(KEYS, |s| {
        row(s)["tenant"] = json!("v2");
    }),
    case(KEYS, |s| {
        row(s)["when"] = json!(["moon-is-full"]);
    }),
    case(KEYS, |s| {
        row(s)["when"] = json!("pan-same");
    }),
    case(KEYS, |s| {
        row(s)["code"] = json!(17);
    }),
    case(KEYS, |s| {
        row(s)["retryable"] = json!("false");
    }),
];

const NAME: &str = "rust-name";

pub(crate) const NAMES: &[Case] = &[
    case(KEYS, |s| {
        read(s)["parameters"][1]["x-d1-confidence"] = json!("documented");
    }),
    case(KEYS, |s| {
        schema(s, "Change")["x-d1-confidence"] = json!(true);
    }),
    case(KEYS, |s| {
        s["servers"][0]["x-d1-confidence"] = json!("guess");
    }),
    case(NAME, |s| {
        schema(s, "Change")["properties"]["newState"]["x-d1-rust-name"] = json!("newState");
    }),
    case(NAME, |s| {
        schema(s, "Change")["properties"]["newState"]["x-d1-rust-name"] = json!("reason");
    }),
    case(NAME, |s| {
        schema(s, "Change")["properties"]["newState"]["x-d1-rust-name"] = json!("new_card_id");
    }),
    case(NAME, |s| {
        schema(s, "Change")["properties"]["newState"]["x-d1-rust-name"] = json!("type");
    }),
    case(KEYS, |s| {
        let flag = json!({"type": "boolean", "x-d1-default": true});
        schema(s, "Change")["properties"]["flag"] = flag;
    }),
    case(NAME, |s| {
        schema(s, "Card")["properties"]["extra"] = json!({"type": "string"});
    }),
    case(KEYS, |s| {
        schema(s, "Change")["x-d1-rust-name"] = json!("other");
    }),
    // A parameter of the path item belongs to each of its operations.
    case(NAME, |s| {
        let shared =
            json!({"name": "q", "in": "query", "schema": {}, "x-d1-rust-name": "question"});
        s["paths"]["/cards/{cardId}"]["parameters"] = json!([shared]);
    }),
    case(NAME, |s| {
        let header =
            json!({"name": "x-q", "in": "header", "schema": {}, "x-d1-rust-name": "query"});
        let own = read(s)["parameters"].as_array_mut().unwrap();
        own.push(header);
    }),
    case(NAME, |s| {
        read(s)["parameters"][1]["x-d1-rust-name"] = json!("pageSize");
    }),
];

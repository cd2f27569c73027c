//! Has anything drifted: the generated code from the spec, the facade from the generated code, the
//! public API from what was reviewed?

use std::collections::BTreeSet;
use std::fmt::Write as _;

use d1_facade::{ApiOperation, CardCredentials, Cause};
use d1_tests::workspace_copy::WorkspaceCopy;
use serde_json::{Value, json};

fn spec() -> Value {
    xtask::spec::load(&xtask::spec::spec_path()).unwrap()
}

#[test]
fn the_committed_code_is_what_the_spec_gives() {
    let files = xtask::codegen::generate(&spec()).unwrap();
    let root = xtask::spec::workspace_root();
    let (report, stale) = xtask::output::apply(&root, &files, true).unwrap();
    assert_eq!(stale, 0, "run `cargo xtask codegen`:\n{report}");
}

#[test]
fn every_operation_of_the_spec_has_a_method_and_a_call_in_the_facade() {
    let spec = spec();
    let mut ids = BTreeSet::new();
    for item in spec["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            ids.insert(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    let named: BTreeSet<String> = ApiOperation::ALL
        .iter()
        .map(|o| o.operation_id().to_owned())
        .collect();
    assert_eq!(ids, named);
    assert_eq!(ids.len(), 7);

    let root = xtask::spec::workspace_root();
    let generated = std::fs::read_to_string(root.join("d1-generated/src/generated.rs")).unwrap();
    let facade: String = [
        "card/change_call.rs",
        "card/get.rs",
        "card/list.rs",
        "auth/exchange.rs",
    ]
    .iter()
    .map(|f| std::fs::read_to_string(root.join("d1-facade/src").join(f)).unwrap())
    .collect();
    for id in ids {
        let method = snake_case(&id);
        assert!(
            generated.contains(&format!("pub async fn {method}<")),
            "{method}"
        );
        let called = facade.replace(char::is_whitespace, "");
        assert!(
            called.contains(&format!("client.{method}(")),
            "the facade does not call {method}"
        );
    }
}

fn snake_case(camel: &str) -> String {
    let mut out = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// The spec's surface as the generator is given it: a line for each thing that a caller can meet.
#[test]
fn surface_of_the_normalized_spec() {
    let normalized = xtask::normalize::normalize(&spec());
    let mut lines = String::new();
    surface("", &normalized.spec, &mut lines);
    for name in &normalized.wire_names {
        writeln!(
            lines,
            "{:?} {} is {} on the wire",
            name.owner, name.rust, name.wire
        )
        .unwrap();
    }
    insta::assert_snapshot!(lines);
}

fn surface(path: &str, value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                if key != "example" {
                    surface(&format!("{path}/{key}"), child, out);
                }
            }
        }
        Value::Array(items) => {
            for (i, child) in items.iter().enumerate() {
                surface(&format!("{path}/{i}"), child, out);
            }
        }
        scalar => writeln!(out, "{path} = {scalar}").unwrap(),
    }
}

#[test]
fn the_encrypted_payload_is_what_the_spec_says() {
    let ours = serde_json::to_value(CardCredentials::json_schema()).unwrap();
    let theirs = &spec()["components"]["schemas"]["CardCredentials"];
    assert_eq!(ours["required"], theirs["required"]);
    let pattern_of = |schema: &Value| {
        let properties = schema["properties"].as_object().unwrap().clone();
        properties
            .into_iter()
            .map(|(name, p)| (name, p["pattern"].as_str().unwrap().to_owned()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(pattern_of(&ours), pattern_of(theirs));
    insta::assert_json_snapshot!("payload_schema", ours);
}

/// The tests of an error table are worth nothing if the table is empty.
#[test]
fn the_error_table_has_every_documented_row() {
    let per_operation: Vec<Value> = ApiOperation::ALL
        .iter()
        .map(|o| {
            let count = Cause::all().filter(|cause| cause.operation() == *o).count();
            json!([o.operation_id(), count])
        })
        .collect();
    insta::assert_json_snapshot!("error_rows", per_operation);
}

/// What the compiler says once the spec has a seventh operation of a card: each place that must decide about
/// it, and none that treats it as another one.
#[test]
fn a_change_that_the_spec_gains_is_missed_in_each_place() {
    let text = std::fs::read_to_string(xtask::spec::spec_path()).unwrap();
    let start = text
        .find("  /banking/v1/issuers/{issuerId}/cards/{cardId}/operations:suspend:")
        .unwrap();
    let end = text
        .find("  /banking/v1/issuers/{issuerId}/cards/{cardId}/operations:resume:")
        .unwrap();
    let seventh = text[start..end]
        .replace("suspend", "block")
        .replace("Suspend a card", "Block a card");
    let spec = format!("{}{seventh}{}", &text[..end], &text[end..]);
    let copy = WorkspaceCopy::with_spec("seventh-change", &spec);
    let report = copy.check_facade().unwrap_err();
    for place in ["values/operation.rs:", "reconcile/"] {
        assert!(
            report.contains(&format!("--> d1-facade/src/{place}")),
            "{place}:\n{report}"
        );
    }
}

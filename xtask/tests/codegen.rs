//! What an edit of the spec does to the generated files: no more, and no less, than it should.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use xtask::codegen::generate;
use xtask::error::Error;
use xtask::output::{GeneratedFile, State, compare, write};

static SPEC: LazyLock<Value> =
    LazyLock::new(|| xtask::spec::load(&xtask::spec::spec_path()).unwrap());

static FILES: LazyLock<Vec<GeneratedFile>> = LazyLock::new(|| generate(&SPEC).unwrap());

fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let mut spec = SPEC.clone();
    edit(&mut spec);
    assert_ne!(spec, *SPEC, "the edit does nothing");
    spec
}

/// The diffs, by file name, that an edit of the spec gives.
fn stale(edit: impl FnOnce(&mut Value)) -> BTreeMap<String, String> {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("d1-generated/src")).unwrap();
    for file in FILES.iter() {
        write(root.path(), file).unwrap();
        assert_eq!(compare(root.path(), file), State::Fresh);
    }
    let mut diffs = BTreeMap::new();
    for file in generate(&edited(edit)).unwrap() {
        if let State::Stale(diff) = compare(root.path(), &file) {
            let name = file.path.file_name().unwrap().to_str().unwrap();
            diffs.insert(name.to_owned(), diff);
        }
    }
    diffs
}

/// The only diff of an edit that changes one file, `name`.
fn stale_alone(name: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut diffs = stale(edit);
    assert_eq!(diffs.keys().collect::<Vec<_>>(), [name]);
    diffs.remove(name).unwrap()
}

/// The lines that a diff takes out and puts in, without their indent.
fn changed(diff: &str) -> Vec<String> {
    diff.lines()
        .filter(|l| l.starts_with(['-', '+']) && !l.starts_with("---") && !l.starts_with("+++"))
        .map(|l| format!("{} {}", &l[..1], l[1..].trim_start()))
        .collect()
}

fn schema<'a>(spec: &'a mut Value, name: &str) -> &'a mut Value {
    &mut spec["components"]["schemas"][name]
}

fn operation<'a>(spec: &'a mut Value, id: &str) -> &'a mut Value {
    spec["paths"]
        .as_object_mut()
        .unwrap()
        .values_mut()
        .flat_map(|item| item.as_object_mut().unwrap().values_mut())
        .find(|operation| operation["operationId"] == id)
        .unwrap()
}

/// Renames a key where it stands, as an edit of one line does.
fn rename(map: &mut Value, from: &str, to: &str) {
    let map = map.as_object_mut().unwrap();
    *map = std::mem::take(map)
        .into_iter()
        .map(|(key, value)| (if key == from { to.to_owned() } else { key }, value))
        .collect::<Map<_, _>>();
}

fn limit(spec: &mut Value) -> &mut Value {
    let parameters = &mut operation(spec, "listOperations")["parameters"];
    let list = parameters.as_array_mut().unwrap();
    list.iter_mut().find(|p| p["name"] == "limit").unwrap()
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    assert_eq!(generate(&SPEC).unwrap(), *FILES);
    let paths: Vec<_> = FILES.iter().map(|f| f.path.to_str().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "d1-generated/src/generated.rs",
            "d1-generated/src/error_table.rs",
            "d1-generated/src/facts.rs"
        ]
    );
}

#[test]
fn a_description_changes_the_client_alone() {
    let diff = stale_alone("generated.rs", |s| {
        schema(s, "CardId")["description"] = json!("Another text.");
    });
    assert!(
        diff.starts_with("--- committed/d1-generated/src/generated.rs\n+++ spec/d1-generated/src/generated.rs\n@@ "),
        "{diff}"
    );
    assert!(changed(&diff).contains(&"+ /// Another text.".to_owned()));
}

#[test]
fn a_pattern_changes_the_client_and_the_facts() {
    let diffs = stale(|s| schema(s, "Reason")["pattern"] = json!("^[a-z ]{1,64}$"));
    assert_eq!(
        diffs.keys().collect::<Vec<_>>(),
        ["facts.rs", "generated.rs"]
    );
    let new_rule = "+ pub const REASON_RULE: &str = \"must match ^[a-z ]{1,64}$ and have at most 64 characters\";";
    assert!(changed(&diffs["facts.rs"]).contains(&new_rule.to_owned()));
    assert!(diffs["generated.rs"].contains("::regex::Regex::new(\"^[a-z ]{1,64}$\")"));
}

#[test]
fn an_error_row_changes_the_error_table_alone() {
    let diff = stale_alone("error_table.rs", |s| {
        let rows = &mut operation(s, "renewCard")["responses"]["403"]["x-d1-errors"];
        rows[0]["code"] = json!("CONSUMER_NOT_ACTIVE");
    });
    assert_eq!(
        changed(&diff),
        ["- code: None,", "+ code: Some(\"CONSUMER_NOT_ACTIVE\"),"]
    );

    let diff = stale_alone("error_table.rs", |s| {
        let row = json!({"code": "NEW", "meaning": "Something new.", "advice": "Look at it."});
        let rows = &mut operation(s, "getOperation")["responses"]["404"]["x-d1-errors"];
        rows.as_array_mut().unwrap().push(row);
    });
    assert!(changed(&diff).contains(&"+ code: Some(\"NEW\"),".to_owned()));
}

#[test]
fn a_wire_name_changes_and_the_rust_field_stays() {
    let diffs = stale(|s| {
        rename(
            &mut schema(s, "RenewRequest")["properties"],
            "state",
            "newCardState",
        );
    });
    assert_eq!(
        diffs.keys().collect::<Vec<_>>(),
        ["facts.rs", "generated.rs"]
    );
    assert_eq!(
        changed(&diffs["facts.rs"]),
        ["- \"state\",", "+ \"newCardState\","],
        "nothing else is sent by that name"
    );
    let diff = &diffs["generated.rs"];
    assert_eq!(
        changed(diff),
        [
            "- #[serde(rename = \"state\")]",
            "+ #[serde(rename = \"newCardState\")]"
        ]
    );
    let field = "pub state: ::std::option::Option<CardState>,";
    assert!(
        diff.lines()
            .any(|l| l.trim_start() == field && l.starts_with(' ')),
        "{diff}"
    );
}

#[test]
fn every_undocumented_name_of_an_operation_can_be_corrected_without_a_new_field() {
    for schema_name in ["CardOperation", "CardOperationListItem"] {
        for name in ["reason", "reasonCode", "digitalCardDetails"] {
            let diff = stale_alone("generated.rs", |s| {
                rename(&mut schema(s, schema_name)["properties"], name, "zOther");
            });
            let expected = [
                format!("- #[serde(rename = \"{name}\")]"),
                "+ #[serde(rename = \"zOther\")]".to_owned(),
            ];
            assert_eq!(changed(&diff), expected);
        }
    }
}

#[test]
fn a_reason_code_changes_the_facts_alone() {
    let diff = stale_alone("facts.rs", |s| {
        let codes = &mut schema(s, "ReasonCode")["x-extensible-enum"];
        codes.as_array_mut().unwrap().push(json!("CARD_EATEN"));
    });
    assert_eq!(changed(&diff), ["+ \"CARD_EATEN\","]);
}

#[test]
fn a_bound_of_a_query_parameter_changes_the_facts_alone() {
    let diff = stale_alone("facts.rs", |s| limit(s)["schema"]["maximum"] = json!(100));
    assert_eq!(
        changed(&diff),
        ["- maximum: Some(50i64),", "+ maximum: Some(100i64),"]
    );
    let diff = stale_alone("facts.rs", |s| {
        limit(s)["schema"]
            .as_object_mut()
            .unwrap()
            .remove("maximum");
    });
    assert_eq!(
        changed(&diff),
        ["- maximum: Some(50i64),", "+ maximum: None,"]
    );
}

#[test]
fn a_claim_changes_the_facts_alone() {
    let diff = stale_alone("facts.rs", |s| {
        let claims = &mut schema(s, "AssertionClaims")["x-d1-sent-claims"];
        claims.as_array_mut().unwrap().push(json!("jti"));
    });
    assert!(diff.contains("+") && diff.contains("Claim::Jti"), "{diff}");
}

#[test]
fn parameters_of_the_path_reach_the_facts_too() {
    let diff = stale_alone("facts.rs", |s| {
        let mut parameter = limit(s).clone();
        // There it has no name of its own for Rust.
        let map = parameter.as_object_mut().unwrap();
        assert_eq!(map.remove("x-d1-rust-name").unwrap(), "limit");
        let own = &mut operation(s, "listOperations")["parameters"];
        own.as_array_mut().unwrap().retain(|p| p["name"] != "limit");
        let path = "/banking/v1/issuers/{issuerId}/cards/{cardId}/operations";
        parameter["schema"]["maximum"] = json!(70);
        s["paths"][path]["parameters"] = json!([parameter]);
    });
    assert_eq!(
        changed(&diff),
        ["- maximum: Some(50i64),", "+ maximum: Some(70i64),"]
    );
}

#[test]
fn a_spec_that_breaks_a_rule_gives_its_findings_and_no_file() {
    let spec = edited(|s| schema(s, "Reason")["anyOf"] = json!([{"type": "string"}]));
    let Err(Error::Lint { findings, .. }) = generate(&spec) else {
        panic!("it is generated from");
    };
    assert!(
        findings.contains("  components.schemas.Reason.anyOf: "),
        "{findings}"
    );
    assert!(findings.contains("fix [closed-keys]: "), "{findings}");
}

#[test]
fn a_renamed_query_parameter_changes_what_is_sent_and_no_signature() {
    let diffs = stale(|s| limit(s)["name"] = json!("pageSize"));
    let diff = &diffs["generated.rs"];
    let sent: Vec<_> = changed(diff)
        .into_iter()
        .filter(|line| line.starts_with('+'))
        .collect();
    assert!(
        sent.iter().all(|l| l.contains("pageSize")) && !sent.is_empty(),
        "{diff}"
    );
}

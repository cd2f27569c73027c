//! What an edit of the spec does to the generated files: no more, and no less, than it should.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Value, json};
use xtask::codegen::generate;
use xtask::normalize::normalize;
use xtask::output::GeneratedFile;

use super::{SPEC, TEXT, edited, rename};

static FILES: LazyLock<Vec<GeneratedFile>> = LazyLock::new(|| generate(&SPEC).unwrap());

/// The path of a file below the `src` of its crate.
fn name(file: &GeneratedFile) -> &str {
    file.path.to_str().unwrap().split_once("/src/").unwrap().1
}

/// The lines that a spec takes out of the committed files and puts in, without their indent.
fn changes(spec: &Value) -> String {
    let mut report = String::new();
    for (before, after) in FILES.iter().zip(generate(spec).unwrap()) {
        let diff = after.difference(&before.text).unwrap_or_default();
        let lines = diff.lines().skip(2);
        for line in lines.filter(|line| line.starts_with(['-', '+'])) {
            let (sign, text) = line.split_at(1);
            writeln!(report, "  {}: {sign} {}", name(&after), text.trim()).unwrap();
        }
    }
    report
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    assert_eq!(generate(&SPEC).unwrap(), *FILES);
}

#[test]
fn an_edit_changes_what_depends_on_it_and_nothing_else() {
    let list = "/banking/v1/issuers/{issuerId}/cards/{cardId}/operations";
    let mut limit = SPEC["paths"][list]["get"]["parameters"][4].clone();
    limit["schema"]["maximum"] = json!(70);
    limit
        .as_object_mut()
        .unwrap()
        .remove("x-d1-rust-name")
        .unwrap();
    let row = json!({"code": "NEW", "meaning": "Something new.", "advice": "Look at it."});
    let list = format!("/paths/{}/parameters", list.replace('/', "~1"));
    let mut report = String::new();
    for edits in [
        json!({"CardId/description": "Another text."}),
        json!({"Reason/pattern": "^[a-z ]{1,64}$"}),
        json!({"renewCard/responses/403/x-d1-errors/0/code": "CONSUMER_NOT_ACTIVE"}),
        json!({"getOperation/responses/404/x-d1-errors/3": row}),
        json!({"ReasonCode/x-extensible-enum/9": "CARD_EATEN"}),
        json!({"ReasonCode/x-d1-value-descriptions/FRAUD": "Somebody else uses the card."}),
        json!({"listOperations/parameters/4/schema/maximum": 100}),
        json!({"listOperations/parameters/4/schema/maximum": null}),
        json!({"AssertionClaims/x-d1-sent-claims/5": "jti"}),
        // The name on the wire alone, and a parameter of the path in place of one of the operation.
        json!({"listOperations/parameters/4/name": "pageSize"}),
        json!({"listOperations/parameters/4": null, list: [limit]}),
    ] {
        let changes = changes(&edited(&SPEC, &edits));
        writeln!(report, "{edits}\n{changes}").unwrap();
    }
    insta::assert_snapshot!(report);
}

/// Names that are not documented: each can be corrected on the wire, and no field in Rust changes.
#[test]
fn a_wire_name_changes_and_the_rust_field_stays() {
    for (schema, name) in [
        ("RenewRequest", "state"),
        ("CardOperation", "reason"),
        ("CardOperation", "reasonCode"),
        ("CardOperation", "digitalCardDetails"),
        ("CardOperationListItem", "reason"),
        ("CardOperationListItem", "reasonCode"),
        ("CardOperationListItem", "digitalCardDetails"),
    ] {
        let mut spec = SPEC.clone();
        rename(&mut spec, &format!("{schema}/properties"), name, "zOther");
        let mut expected = format!(
            "  generated.rs: - #[serde(rename = \"{name}\")]\n  generated.rs: + #[serde(rename = \"zOther\")]\n"
        );
        if schema == "RenewRequest" {
            // Callers can send nothing else by that name.
            for (sign, name) in [('-', name), ('+', "zOther")] {
                expected += &format!(
                    "  values/generated.rs: {sign} &[\"newCardId\", \"{name}\", \"encryptedData\", \"reason\", \"reasonCode\"]\n"
                );
            }
        }
        assert_eq!(changes(&spec), expected, "{schema} {name}");
    }
}

#[test]
fn a_spec_that_breaks_a_rule_gives_its_findings_and_no_file() {
    let edits = json!({"Reason/anyOf": [{"type": "string"}]});
    let spec = edited(&SPEC, &edits);
    let error = generate(&spec).unwrap_err().to_string();
    for part in [
        "the spec breaks 1 rule(s):\n",
        "  components.schemas.Reason.anyOf: ",
        "fix [shape]: ",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_panic_of_the_generator_is_an_error() {
    // The lint refuses this media type before the generator does.
    let text = TEXT.replace("application/x-www-form-urlencoded", "text/csv");
    let error = xtask::client::generate(&normalize(&xtask::spec::parse(&text).unwrap()));
    let error = error.err().unwrap().to_string();
    assert!(
        error.starts_with("progenitor refuses the spec: ") && error.contains("text/csv"),
        "{error}"
    );
}

#[test]
fn the_spec_is_made_plainer_for_the_generator() {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let body = |name| json!({"content": {"application/json": {"schema": reference(name)}}});
    let spec = json!({
        "paths": {"/": {"get": {"operationId": "listThings", "parameters": [{
            "in": "query", "name": "maxResults", "x-d1-rust-name": "limit",
            "schema": {"type": "integer", "default": 10, "minimum": 1, "maximum": 50}
        }]}}},
        "components": {
            "schemas": {
                "Omitted": {"x-d1-client": "omit"},
                "Kept": {"properties": {
                    "x": {"allOf": [reference("Other")], "description": "It has a description of its own."},
                    "newCardState": {"type": "string", "x-d1-rust-name": "state"}
                }},
            },
            "responses": {"Without": body("Omitted"), "With": body("Kept")},
        }
    });
    let before = spec.clone();
    let normalized = normalize(&spec);
    assert_eq!(spec, before, "the curated spec stays as it is");
    let parameter = json!({"in": "query", "name": "limit", "schema": {"type": "integer"}});
    assert_eq!(
        normalized.spec["paths"]["/"]["get"]["parameters"],
        json!([parameter])
    );
    assert_eq!(
        normalized.spec["components"],
        json!({
            "schemas": {"Kept": {"properties": {"x": reference("Other"), "state": {"type": "string"}}}},
            "responses": {"Without": {}, "With": body("Kept")},
        })
    );
    let names = normalized
        .wire_names
        .iter()
        .map(|name| (name.rust.as_str(), name.wire.as_str()));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [("state", "newCardState"), ("limit", "maxResults")]
    );
}

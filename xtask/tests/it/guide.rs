//! The parts of the guide that come from the spec: what they show.

use serde_json::{Value, json};
use xtask::guide::generate;
use xtask::output::GeneratedFile;

use super::{SPEC, edited};

/// The part of an operation, after an edit of the spec.
fn part(edits: &Value, name: &str) -> String {
    let files = generate(&edited(&SPEC, edits)).unwrap();
    text_of(files, name)
}

fn text_of(files: Vec<GeneratedFile>, name: &str) -> String {
    let path = format!("docs/src/generated/errors-{name}.md");
    let file = files.into_iter().find(|f| f.path.to_str() == Some(&path));
    file.unwrap_or_else(|| panic!("no {path}")).text
}

#[test]
fn a_row_has_its_code_its_conditions_and_its_confidence() {
    let row = json!({
        "code": "A",
        "meaning": "This | that.",
        "advice": "Do it.",
        "tenant": "migrated",
        "when": ["new-card-id-same", "pan-changed"],
        "x-d1-confidence": "inferred",
    });
    let text = part(
        &json!({"renewCard/responses/403/x-d1-errors": [row]}),
        "renew-card",
    );
    let row = "| 403 | `A` | This \\| that. *(Not documented: inferred.)* | Thales has migrated the \
               tenant to V2; `newCardId` is the id of the card itself; the renewed card has another \
               PAN | Do it. |";
    assert!(text.lines().any(|l| l == row), "no `{row}` in:\n{text}");
}

#[test]
fn a_column_that_says_nothing_is_left_out() {
    for (name, headings) in [
        ("get-token", "| status | what it means | what to do |"),
        (
            "list-operations",
            "| status | code | what it means | what to do |",
        ),
        (
            "suspend-card",
            "| status | what it means | only if | what to do |",
        ),
    ] {
        let text = text_of(generate(&SPEC).unwrap(), name);
        assert_eq!(text.lines().nth(2), Some(headings));
    }
}

#[test]
fn a_row_without_its_advice_is_refused_before_anything_is_made() {
    let edits = json!({"renewCard/responses/403/x-d1-errors/0/advice": null});
    let error = generate(&edited(&SPEC, &edits)).unwrap_err().to_string();
    assert!(error.starts_with("the spec breaks 1 rule(s):"), "{error}");
    assert!(error.contains("renewCard responses.403"), "{error}");
}

#[test]
fn the_collection_has_each_operation_and_uses_its_own_variables_alone() {
    let files = generate(&SPEC).unwrap();
    let file = files.iter().find(|file| file.path.starts_with("openapi"));
    let text = &file.unwrap().text;
    let collection: Value = serde_json::from_str(text).unwrap();
    let items = collection["item"].as_array().unwrap();
    let calls: Vec<String> = items
        .iter()
        .map(|item| {
            let request = &item["request"];
            let url = request["url"]["raw"].as_str().unwrap();
            format!("{} {url}", request["method"].as_str().unwrap())
        })
        .collect();
    let operations = "{{baseUrl}}/banking/v1/issuers/{{issuerId}}/cards/{{cardId}}/operations";
    let expected = [
        "POST {{baseUrl}}/authz/v1/oauth2/token".to_owned(),
        format!("POST {operations}:suspend"),
        format!("POST {operations}:resume"),
        format!("POST {operations}:delete"),
        format!("POST {operations}:renew"),
        format!("GET {operations}"),
        format!("GET {operations}/op-0001"),
    ];
    assert_eq!(calls, expected);
    let variables = collection["variable"].as_array().unwrap();
    for used in text.split("{{").skip(1) {
        let name = used.split("}}").next().unwrap();
        assert!(variables.iter().any(|v| v["key"] == name), "{name}");
    }
    let form = items[0]["request"]["body"]["urlencoded"].to_string();
    assert!(
        form.contains("jwt-bearer") && form.contains("{{assertion}}"),
        "{form}"
    );
    let renewal = items[4]["request"]["body"]["raw"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(renewal).unwrap()["newCardId"].is_string());
    assert_eq!(items[5]["request"]["url"]["query"][0]["disabled"], true);
}

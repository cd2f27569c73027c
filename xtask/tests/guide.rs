//! The parts of the guide that come from the spec: what they show, and that the committed ones are fresh.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Output};

use serde_json::{Value, json};
use xtask::error::Error;
use xtask::guide::generate;
use xtask::spec;

fn committed() -> Value {
    spec::load(&spec::spec_path()).unwrap()
}

fn response<'s>(spec: &'s mut Value, operation: &str, status: &str) -> &'s mut Value {
    let path = format!("/banking/v1/issuers/{{issuerId}}/cards/{{cardId}}/operations:{operation}");
    &mut spec["paths"][path]["post"]["responses"][status]
}

fn part(spec: &Value, name: &str) -> String {
    let files = generate(spec).unwrap();
    let path = format!("docs/src/generated/errors-{name}.md");
    let file = files.into_iter().find(|f| f.path.to_str() == Some(&path));
    file.unwrap_or_else(|| panic!("no {path}")).text
}

fn xtask(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("guide").args(args).output().unwrap()
}

#[test]
fn check_of_the_committed_guide_says_fresh_of_the_part_of_each_operation() {
    let output = xtask(&["--check"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let names = [
        "suspend-card",
        "resume-card",
        "delete-card",
        "renew-card",
        "list-operations",
        "get-operation",
        "get-token",
    ];
    assert_eq!(said.lines().count(), names.len(), "{said}");
    for name in names {
        let line = format!("fresh    docs/src/generated/errors-{name}.md");
        assert!(said.lines().any(|l| l == line), "no `{line}` in:\n{said}");
    }
}

#[test]
fn check_of_another_spec_shows_the_difference_writes_nothing_and_fails() {
    let mut spec = committed();
    response(&mut spec, "renew", "403")["x-d1-errors"][0]["code"] = json!("NOT_ACTIVE");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spec.yaml");
    std::fs::write(&file, spec.to_string()).unwrap();
    let output = xtask(&["--check", "--spec", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("stale    docs/src/generated/errors-renew-card.md"),
        "{said}"
    );
    assert!(said.contains("+| 403 | `NOT_ACTIVE` | "), "{said}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error,
        "error: 1 file(s) are stale; run `cargo xtask guide`\n"
    );
    assert!(xtask(&["--check"]).status.success());
}

#[test]
fn a_row_has_its_code_its_conditions_and_its_confidence() {
    let mut spec = committed();
    response(&mut spec, "renew", "403")["x-d1-errors"] = json!([{
        "code": "A",
        "meaning": "This | that.",
        "advice": "Do it.",
        "tenant": "migrated",
        "when": ["new-card-id-same", "pan-changed"],
        "x-d1-confidence": "inferred",
    }]);
    let text = part(&spec, "renew-card");
    let row = "| 403 | `A` | This \\| that. *(Not documented: inferred.)* | Thales has migrated the \
               tenant to V2; `newCardId` is the id of the card itself; the renewed card has another \
               PAN | Do it. |";
    assert!(text.lines().any(|l| l == row), "no `{row}` in:\n{text}");
}

#[test]
fn a_column_that_says_nothing_is_left_out() {
    let headings = |name| {
        let text = part(&committed(), name);
        text.lines().nth(2).unwrap().to_owned()
    };
    assert_eq!(
        headings("get-token"),
        "| status | what it means | what to do |"
    );
    assert_eq!(
        headings("list-operations"),
        "| status | code | what it means | what to do |"
    );
    assert_eq!(
        headings("suspend-card"),
        "| status | what it means | only if | what to do |"
    );
}

#[test]
fn a_row_without_its_advice_is_refused_before_anything_is_made() {
    let mut spec = committed();
    let rows = &mut response(&mut spec, "renew", "403")["x-d1-errors"];
    rows[0].as_object_mut().unwrap().remove("advice");
    let error = generate(&spec).unwrap_err();
    assert!(matches!(error, Error::Lint { .. }), "{error}");
    assert!(
        error.to_string().contains("renewCard responses.403"),
        "{error}"
    );
}

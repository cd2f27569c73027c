//! Each rule of `spec-lint` fires on what it is about, alone, and says where and what to do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod edits;
mod extensions;
mod operations;
mod parameters;
mod schemas;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xtask::lint::{self, RULES};

/// One way to break one rule.
struct Case {
    rule: &'static str,
    /// What is done to the good spec.
    spoil: fn(&mut Value),
}

const fn case(rule: &'static str, spoil: fn(&mut Value)) -> Case {
    Case { rule, spoil }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    [
        operations::DOCUMENT,
        operations::RESPONSES,
        parameters::CASES,
        schemas::CASES,
        schemas::RESPONSES,
        extensions::ERROR_ROWS,
        extensions::NAMES,
    ]
    .into_iter()
    .flatten()
}

/// A small spec that no rule objects to.
fn good_spec() -> Value {
    let error = |meaning: &str| {
        json!({
            "description": "An error.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
            "x-d1-errors": [{"meaning": meaning, "advice": "Do something."}]
        })
    };
    json!({
        "openapi": "3.0.3",
        "info": {"title": "A small spec", "version": "1.0", "description": "It breaks no rule."},
        "servers": [
            {"url": "https://host.invalid", "x-d1-environment": "production"},
            {"url": "https://other.invalid", "x-d1-environment": "staging"}
        ],
        "tags": [{"name": "Cards", "description": "What is done with cards."}],
        "security": [{"bearerAuth": []}],
        "paths": {
            "/cards/{cardId}": {"get": {
                "operationId": "readCard",
                "summary": "Read a card",
                "tags": ["Cards"],
                "parameters": [
                    {"name": "cardId", "in": "path", "required": true,
                     "schema": {"$ref": "#/components/schemas/CardId"}},
                    {"name": "limit", "in": "query", "required": false, "x-d1-confidence": "sibling",
                     "schema": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}}
                ],
                "responses": {
                    "200": {"description": "The card.", "content": {"application/json":
                        {"schema": {"$ref": "#/components/schemas/Card"}}}},
                    "400": error("It is not valid."),
                    "404": error("It is not there.")
                }
            }},
            "/cards:change": {"post": {
                "operationId": "changeCard",
                "summary": "Change a card",
                "requestBody": {"required": true, "content": {"application/json":
                    {"schema": {"$ref": "#/components/schemas/Change"}}}},
                "responses": {"2XX": {"description": "Done."}, "403": error("It is refused.")}
            }}
        },
        "components": components()
    })
}

fn components() -> Value {
    json!({
    "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
    "requestBodies": {"Other": {"required": true, "content": {"application/json":
        {"schema": {"$ref": "#/components/schemas/Change"}}}}},
    "schemas": {
        "CardId": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,48}$"},
        "Card": {
            "type": "object",
            "description": "A card.",
            "properties": {
                "id": {"type": "string", "example": "anyOf"},
                "tags": {"type": "array", "items": {"type": "string"}}
            },
            "additionalProperties": {}
        },
        "Change": {"type": "object", "properties": {
            "newState": {"type": "string", "x-d1-rust-name": "state"},
            "newCardId": {"$ref": "#/components/schemas/CardId"},
            "reason": {"$ref": "#/components/schemas/Reason"},
            "reasonCode": {"$ref": "#/components/schemas/Reason"}
        }},
        "Reason": {"type": "string", "x-extensible-enum": ["A", "B"]},
        "Secret": {"type": "string", "x-d1-client": "omit"},
        "ErrorBody": {
            "type": "object",
            "properties": {"error": {"type": "string"}},
            "additionalProperties": {}
        }
    }})
}

/// The operation `readCard`.
fn read(spec: &mut Value) -> &mut Value {
    &mut spec["paths"]["/cards/{cardId}"]["get"]
}

/// The operation `changeCard`.
fn change(spec: &mut Value) -> &mut Value {
    &mut spec["paths"]["/cards:change"]["post"]
}

fn schema<'a>(spec: &'a mut Value, name: &str) -> &'a mut Value {
    &mut spec["components"]["schemas"][name]
}

fn remove(value: &mut Value, key: &str) {
    value.as_object_mut().unwrap().remove(key).unwrap();
}

#[test]
fn the_good_spec_breaks_no_rule() {
    assert_eq!(lint::check(&good_spec()), []);
}

#[test]
fn the_committed_spec_breaks_no_rule() {
    let spec = xtask::spec::load(&xtask::spec::spec_path()).unwrap();
    let findings = lint::check(&spec);
    assert!(findings.is_empty(), "{}", lint::render(&findings));
}

/// Where each finding points, what it says and what the fix is: in the snapshot.
#[test]
fn every_case_breaks_its_rule_and_no_other() {
    let mut report = String::new();
    let mut wrong = String::new();
    for (i, case) in cases().enumerate() {
        let mut spec = good_spec();
        (case.spoil)(&mut spec);
        let findings = lint::check(&spec);
        let text = lint::render(&findings);
        match findings.as_slice() {
            [finding] if finding.rule == case.rule => report.push_str(&(text + "\n")),
            _ => wrong.push_str(&format!(
                "case {i} of {}, not one finding of it:\n{text}\n",
                case.rule
            )),
        }
    }
    assert_eq!(wrong, "", "{wrong}");
    insta::assert_snapshot!(report);
}

/// The table of our extensions in `CONTRIBUTING.md` has the keys that the lint knows, and no others.
#[test]
fn the_extensions_are_those_of_contributing() {
    let path = xtask::spec::workspace_root().join("CONTRIBUTING.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `x-"));
    let names = rows.map(|row| row.split(['`', ':']).next().unwrap());
    let listed: BTreeSet<String> = names.map(|name| format!("x-{name}")).collect();
    let known: BTreeSet<String> = lint::extensions().into_iter().map(str::to_owned).collect();
    assert_eq!(listed, known);
}

#[test]
fn every_rule_has_a_case() {
    let with_case: BTreeSet<_> = cases().map(|c| c.rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|r| r.name).collect();
    assert_eq!(with_case, rules);
    assert_eq!(rules.len(), RULES.len(), "two rules have the same name");
}

#[test]
fn findings_of_several_rules_all_show() {
    let mut spec = good_spec();
    spec["openapi"] = json!("3.1.0");
    remove(read(&mut spec), "operationId");
    let text = lint::render(&lint::check(&spec));
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("openapi: the version is `3.1.0`"), "{text}");
    assert!(
        text.contains("GET /cards/{cardId}: an operation lacks `operationId`"),
        "{text}"
    );
}

//! The rules that docs and guide state are those of the spec.

use std::fs;
use std::path::Path;

use serde_json::Value;

const TEXT: &str = "d1-facade/src/values/text.rs";
const CREDENTIALS: &str = "d1-facade/src/crypto/credentials.rs";
const OPERATIONS: &str = "docs/src/operations.md";
const ENCRYPTED_DATA: &str = "docs/src/encrypted-data.md";

/// Where the rule of each part of the spec is stated, and the word by which its line is found.
const STATED: [(&str, &[(&str, &str)]); 10] = [
    ("IssuerId", &[(TEXT, "`issuerId`")]),
    ("CardId", &[(TEXT, "`cardId`"), (OPERATIONS, "| card id")]),
    ("OperationId", &[(TEXT, "`operationId`")]),
    (
        "CardCorrelationId",
        &[
            (TEXT, "`x-correlation-id`"),
            (OPERATIONS, "| correlation id"),
        ],
    ),
    ("Reason", &[(TEXT, "`reason`"), (OPERATIONS, "| `reason`")]),
    (
        "CardCredentials/properties/pan",
        &[(CREDENTIALS, "`pan`"), (ENCRYPTED_DATA, "| `pan`")],
    ),
    (
        "CardCredentials/properties/exp",
        &[(CREDENTIALS, "`exp`"), (ENCRYPTED_DATA, "| `exp`")],
    ),
    (
        "CardCredentials/properties/psn",
        &[(CREDENTIALS, "`psn`"), (ENCRYPTED_DATA, "| `psn`")],
    ),
    (
        "CardCredentials/properties/auxiliaryPan",
        &[
            (CREDENTIALS, "`auxiliaryPan`"),
            (ENCRYPTED_DATA, "| `auxiliaryPan`"),
        ],
    ),
    ("EncryptedData", &[(TEXT, "`encryptedData`")]),
];

/// The rule as it is stated: the pattern, or the length where the pattern tells a reader nothing.
fn rule(spec: &Value, part: &str) -> String {
    let schema = spec
        .pointer(&format!("/components/schemas/{part}"))
        .unwrap();
    match part {
        "EncryptedData" => format!("at most {} characters", schema["maxLength"]),
        _ => format!("`{}`", schema["pattern"].as_str().unwrap()),
    }
}

/// What a text says from the first line with `word` on, up to the end of its paragraph or row.
fn statement(text: &str, word: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let start = lines.iter().position(|line| line.contains(word))?;
    let is_row = lines[start].starts_with('|');
    let end = lines[start..]
        .iter()
        .position(|line| matches!(*line, "" | "///"));
    let count = if is_row { 1 } else { end? };
    let words = lines[start..start + count].iter();
    let words: Vec<&str> = words.map(|line| line.trim_start_matches("/// ")).collect();
    Some(words.join(" ").replace("\\|", "|"))
}

#[test]
fn docs_and_guide_state_the_rules_of_the_spec() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| fs::read_to_string(workspace.join(path)).unwrap();
    let spec = xtask::spec::load(&workspace.join("openapi/d1-card-operations.yaml")).unwrap();
    let mut stale = Vec::new();
    for (part, places) in STATED {
        let rule = rule(&spec, part);
        for (path, word) in places {
            let statement = statement(&read(path), word).unwrap_or_default();
            if !statement.contains(&rule) {
                stale.push(format!(
                    "{path}, at {word}: must state {rule}, has: {statement}"
                ));
            }
        }
    }
    assert_eq!(
        stale,
        Vec::<String>::new(),
        "also correct the words beside a pattern"
    );
}

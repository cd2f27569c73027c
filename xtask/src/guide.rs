//! `cargo xtask guide`: from the spec to the parts of the guide, and to the collection of requests, that must not drift
//! from it.

use heck::ToKebabCase as _;
use serde_json::Value;

use crate::collection;
use crate::error::Error;
use crate::error_table::{CONDITIONS, conditions, error_rows};
use crate::lint;
use crate::output::GeneratedFile;
use crate::spec::{Operation, operations, text};

/// Where the parts stand, seen from the workspace's folder.
const FOLDER: &str = "docs/src/generated";

/// Returns the error table of each operation as a part that a chapter includes, and the collection of requests; nothing
/// is written.
///
/// # Errors
/// When the spec breaks a rule of [`lint`].
pub fn generate(spec: &Value) -> Result<Vec<GeneratedFile>, Error> {
    lint::passed(&lint::check(spec))?;
    let files = operations(spec);
    let files = files.iter().map(|operation| GeneratedFile {
        path: format!("{FOLDER}/errors-{}.md", operation.name().to_kebab_case()).into(),
        text: error_table(spec, operation),
    });
    let collection = collection::generate(spec)?;
    Ok(files.chain([collection]).collect())
}

/// The cells of one row: status, code, meaning, condition, advice.
type Row = [String; 5];

const HEADINGS: [&str; 5] = ["status", "code", "what it means", "only if", "what to do"];

fn error_table(spec: &Value, operation: &Operation<'_>) -> String {
    let rows = error_rows(spec, operation);
    let rows: Vec<Row> = rows
        .iter()
        .map(|(status, row)| cells(*status, row))
        .collect();
    // A column that says nothing is left out.
    let is_shown = |column: &usize| rows.iter().any(|row| !row[*column].is_empty());
    let shown: Vec<usize> = (0..HEADINGS.len()).filter(is_shown).collect();
    let line = |row: &Row| {
        let cells: Vec<&str> = shown.iter().map(|column| row[*column].as_str()).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = String::from(
        "<!-- Made by `cargo xtask guide` from openapi/d1-card-operations.yaml. Do not edit. -->\n\n",
    );
    text += &line(&HEADINGS.map(str::to_owned));
    text += &line(&HEADINGS.map(|_| "---".to_owned()));
    text.extend(rows.iter().map(line));
    text
}

fn cells(status: u16, row: &Value) -> Row {
    let mut only_if: Vec<String> = Vec::new();
    if text(row, "tenant") == "migrated" {
        only_if.push("Thales has migrated the tenant to V2".to_owned());
    }
    for name in conditions(row) {
        let condition = CONDITIONS.iter().find(|(known, ..)| *known == name);
        only_if.extend(condition.map(|(_, words, _)| lower_first(words.trim_end_matches('.'))));
    }
    let confidence = match text(row, "x-d1-confidence") {
        "" => "",
        "sibling" => " *(Documented for a sibling API.)*",
        "client" => " *(Not documented: seen in a public client.)*",
        _ => " *(Not documented: inferred.)*",
    };
    let code = row.get("code").and_then(Value::as_str);
    [
        status.to_string(),
        code.map(|code| format!("`{code}`")).unwrap_or_default(),
        cell(text(row, "meaning")) + confidence,
        cell(&only_if.join("; ")),
        cell(text(row, "advice")),
    ]
}

/// A text as it can stand in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

//! `cargo xtask guide`: from the spec to the parts of the guide that must not drift from it.

use serde_json::Value;

use crate::error::Error;
use crate::error_table::{CONDITIONS, conditions, error_rows};
use crate::lint;
use crate::output::GeneratedFile;
use crate::spec::{Operation, operations};

/// Where the parts stand, seen from the workspace's folder.
const FOLDER: &str = "docs/src/generated";

/// The error table of each operation as a part that a chapter includes, in memory; nothing is written.
///
/// # Errors
/// When the spec breaks a rule of [`lint`], or an error row lacks what the table shows.
pub fn generate(spec: &Value) -> Result<Vec<GeneratedFile>, Error> {
    lint::passed(&lint::check(spec))?;
    operations(spec)
        .iter()
        .map(|operation| {
            let name = kebab(&operation.name());
            Ok(GeneratedFile {
                path: format!("{FOLDER}/errors-{name}.md").into(),
                text: error_table(spec, operation)?,
            })
        })
        .collect()
}

/// The cells of one row: status, code, meaning, condition, advice.
type Row = [String; 5];

const HEADINGS: [&str; 5] = ["status", "code", "what it means", "only if", "what to do"];

fn error_table(spec: &Value, operation: &Operation<'_>) -> Result<String, Error> {
    let mut rows: Vec<Row> = Vec::new();
    for (status, response) in operation.responses(spec) {
        for row in error_rows(response) {
            let location = format!("{} {status} x-d1-errors", operation.name());
            rows.push(cells(status, row, &location)?);
        }
    }
    // A column that says nothing is left out.
    let shown: Vec<usize> = (0..HEADINGS.len())
        .filter(|column| rows.iter().any(|row| !row[*column].is_empty()))
        .collect();
    let line = |cells: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = shown.iter().map(|column| cells(*column)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = String::from(
        "<!-- Made by `cargo xtask guide` from openapi/d1-card-operations.yaml. Do not edit. -->\n\n",
    );
    text += &line(&|column| HEADINGS[column].to_owned());
    text += &line(&|_| "---".to_owned());
    for row in &rows {
        text += &line(&|column| row[column].clone());
    }
    Ok(text)
}

fn cells(status: &str, row: &Value, location: &str) -> Result<Row, Error> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let needed =
        |key: &str| text(key).ok_or_else(|| Error::at(location, format!("a row lacks `{key}`")));
    let mut only_if: Vec<String> = Vec::new();
    if text("tenant") == Some("migrated") {
        only_if.push("Thales has migrated the tenant to V2".to_owned());
    }
    for name in conditions(row) {
        let (_, words, _) = CONDITIONS
            .iter()
            .find(|(known, ..)| *known == name)
            .ok_or_else(|| Error::at(location, format!("unknown condition `{name}`")))?;
        only_if.push(lower_first(words.trim_end_matches('.')));
    }
    let confidence = match text("x-d1-confidence") {
        Some("sibling") => " *(Documented for a sibling API.)*",
        Some("client") => " *(Not documented: seen in a public client.)*",
        Some(_) => " *(Not documented: inferred.)*",
        None => "",
    };
    Ok([
        status.to_owned(),
        text("code")
            .map(|code| format!("`{code}`"))
            .unwrap_or_default(),
        cell(needed("meaning")?) + confidence,
        cell(&only_if.join("; ")),
        cell(needed("advice")?),
    ])
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

/// `suspendCard` as `suspend-card`.
fn kebab(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

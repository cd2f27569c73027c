//! The suite `spec`: the OpenAPI file before three linters, its descriptions and its examples.

use std::process::Command;

use super::Row;
use super::tools::{Tools, said};
use crate::error::Error;

pub(super) fn run(tools: &Tools) -> Result<Vec<Row>, Error> {
    let document = crate::spec::spec_path();
    let (redocly, spectral) = (
        tools.sources.join("redocly.yaml"),
        tools.sources.join("spectral.yaml"),
    );
    let mut command = Command::new(tools.npm_tool("redocly"));
    command
        .args(["lint", "--max-problems=1000", "--config"])
        .arg(redocly);
    let mut rows = Vec::new();
    let mut row = tools.check(
        "spec",
        "redocly, recommended and examples",
        command.arg(&document),
    )?;
    // It exits with 0 on warnings.
    row.passed &= !row.detail.contains("warning");
    rows.push(row);
    let mut command = Command::new(tools.npm_tool("spectral"));
    command
        .args(["lint", "--fail-severity=hint", "-r"])
        .arg(spectral);
    rows.push(tools.check("spec", "spectral, recommended", command.arg(&document))?);
    let mut command = tools.python();
    command.args(["-W", "ignore", "-m", "openapi_spec_validator"]);
    rows.push(tools.check("spec", "openapi-spec-validator", command.arg(&document))?);

    let mut command = tools.python();
    command
        .args(["-W", "ignore"])
        .arg(tools.sources.join("descriptions.py"));
    let output = tools.output(command.arg(&document))?;
    if !output.status.success() {
        rows.push(Row {
            suite: "spec",
            check: "descriptions.py finds nothing".to_owned(),
            count: "1".to_owned(),
            passed: false,
            detail: said(&output),
        });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines().filter(|line| !line.starts_with("FINDING")) {
        if let Some((kind, count)) = line.split_once(": ") {
            rows.push(Row {
                suite: "spec",
                check: format!("{kind} are described, examples are there and valid"),
                count: count.to_owned(),
                passed: output.status.success(),
                detail: String::new(),
            });
        }
    }
    Ok(rows)
}

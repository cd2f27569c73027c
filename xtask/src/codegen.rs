//! `cargo xtask codegen`: from the spec to the committed files of `d1-generated`.

use serde_json::Value;

use crate::error::Error;
use crate::output::GeneratedFile;
use crate::{client, error_table, facts, lint, normalize, output};

/// Everything that the spec gives, in memory; nothing is written.
///
/// # Errors
/// When the spec breaks a rule of [`lint`], or cannot be generated from.
pub fn generate(spec: &Value) -> Result<Vec<GeneratedFile>, Error> {
    let findings = lint::check(spec);
    if !findings.is_empty() {
        return Err(lint::error(&findings));
    }
    let normalized = normalize::normalize(spec);
    let files = [
        ("generated.rs", client::generate(&normalized)?, ""),
        (
            "error_table.rs",
            error_table::generate(spec)?,
            error_table::HEADING,
        ),
        ("facts.rs", facts::generate(spec)?, facts::HEADING),
    ];
    files
        .into_iter()
        .map(|(name, file, heading)| {
            Ok(GeneratedFile {
                path: format!("d1-generated/src/{name}").into(),
                text: output::format(&file, heading)?,
            })
        })
        .collect()
}

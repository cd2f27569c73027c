//! `cargo xtask fault-report`: what the fault table of the tests says, as Markdown.

use std::io::Write;
use std::process::Stdio;

use crate::error::Error;
use crate::programs::cargo;

/// Runs the fault table and writes it to `out`.
///
/// # Errors
/// When the test cannot be run, or fails; what it says is on standard error then.
pub(crate) fn run(out: &mut impl Write) -> Result<(), Error> {
    let io = |source| Error::Io {
        path: "the fault report".into(),
        source,
    };
    let report = tempfile::NamedTempFile::new().map_err(io)?;
    let status = cargo()
        .args(["test", "--quiet", "--package", "d1-tests"])
        .args([
            "--test",
            "it",
            "fault_matrix::every_fault_of_every_operation",
        ])
        .env("D1_FAULT_REPORT", report.path())
        // The table is told through a file, what goes wrong on standard error.
        .stdout(Stdio::null())
        .status()
        .map_err(io)?;
    let text = std::fs::read_to_string(report.path()).map_err(io)?;
    out.write_all(text.as_bytes()).map_err(io)?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::FaultReport)
    }
}

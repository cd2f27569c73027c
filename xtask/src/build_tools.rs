//! Runs cargo and other programs for the commands, and says what went wrong with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::Error;
pub(crate) use crate::programs::cargo;
use crate::programs::missing;

/// Runs a program that must end well, and gives what it said.
pub(crate) fn must(command: &mut Command) -> Result<Output, Error> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Error::Tool(program(command), said(&output)))
}

pub(crate) fn output(command: &mut Command) -> Result<Output, Error> {
    let output = command.env("NO_COLOR", "1").output();
    output.map_err(|e| not_started(command, e))
}

/// Runs a program at the terminal of this one, and expects success.
pub(crate) fn status(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|e| not_started(command, e))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Tool(program(command), status.to_string()))
}

/// Says why a program was not started: one that is missing is named with its package.
pub(crate) fn not_started(command: &Command, error: std::io::Error) -> Error {
    let program = program(command);
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::Missing(missing(&program)),
        _ => io(&program, error),
    }
}

pub(crate) fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

pub(crate) fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

pub(crate) fn io(what: &str, source: std::io::Error) -> Error {
    Error::Io {
        path: what.into(),
        source,
    }
}

/// The build folder of the workspace, wherever it was put.
pub(crate) fn target_folder() -> Result<PathBuf, Error> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|e| io("cargo", e))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let folder = metadata["target_directory"].as_str();
    folder.map(PathBuf::from).ok_or_else(|| {
        let problem = "no target_directory".to_owned();
        Error::Tool("cargo metadata".to_owned(), problem)
    })
}

//! Runs cargo and other programs for the commands, and says what went wrong with them.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
pub(crate) use crate::programs::cargo;
use crate::programs::missing;

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

//! Programs that commands, scripts and tests of the workspace run: cargo, and those of other packages with how to get
//! them.

use std::io;
use std::path::Path;
use std::process::{Command, exit};

use crate::error::Error;
use crate::spec::workspace_root;

/// The Debian packages of the programs that may be missing.
const PACKAGES: [(&str, &str); 6] = [
    ("bash", "bash"),
    ("curl", "curl"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("openssl", "openssl"),
    ("python3", "python3 and python3-venv"),
];

/// Returns the cargo that built this, to be run in the workspace.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace_root());
    without_package(&mut command);
    command
}

/// Removes from a command's environment the package that cargo runs this program for. A cargo that inherits
/// `CARGO_MANIFEST_DIR` runs the build script of ring again, and builds again what depends on it.
pub fn without_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
}

/// Says in one line that a program is missing, and how to install it.
#[must_use]
pub fn missing(program: &str) -> String {
    let package = PACKAGES.iter().find(|(name, _)| *name == program);
    let how = package.map(|(_, package)| format!(": install the package {package}"));
    format!(
        "the program `{program}` is missing{}",
        how.unwrap_or_default()
    )
}

/// Returns whether a program can be run by its name.
#[must_use]
pub fn is_here(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = |folder: &Path| folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    std::env::split_paths(&path).any(|folder| named(&folder).is_file())
}

/// Runs a program at the terminal of this one.
///
/// # Errors
/// When it is missing, or fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let program = program.to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::at(program, status)),
        Err(error) => Err(Error::new(not_run(&program, &error))),
    }
}

/// Returns what starting or running a program gave, and ends this process with one line where the program
/// is missing or cannot be run.
pub fn found<T>(program: &str, result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        use std::io::Write as _;
        let _ = writeln!(io::stderr(), "error: {}", not_run(program, &error));
        exit(1)
    })
}

fn not_run(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => missing(program),
        _ => format!("{program}: {error}"),
    }
}

//! Programs that this workspace runs: cargo, and those of other packages with how to get them.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::spec::workspace_root;

/// Programs that commands, scripts and tests of the workspace run, and how to install them on Debian.
const PACKAGES: [(&str, &str); 17] = [
    ("apt-get", "apt"),
    ("bash", "bash"),
    ("curl", "curl"),
    ("git", "git"),
    ("make", "make"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("perl", "perl"),
    ("pkg-config", "pkg-config"),
    ("python3", "python3 and python3-venv"),
    ("rustc", "rustc (https://rustup.rs)"),
    ("rustup", "rustup (https://rustup.rs)"),
    ("sh", "dash"),
    ("taskset", "util-linux"),
    ("valgrind", "valgrind"),
];

/// Returns the cargo that built this, to be run in the workspace.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace_root());
    without_package(&mut command);
    command
}

/// Takes out of a command's environment the package that cargo runs this program for. A cargo that inherits
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
    if program == "rustfmt" {
        return "the program `rustfmt` is missing: rustup component add rustfmt".to_owned();
    }
    let known = PACKAGES.iter().find(|(name, _)| *name == program);
    match known {
        Some((_, package)) => {
            format!("the program `{program}` is missing: install the package {package}")
        }
        None => format!("the program `{program}` is missing"),
    }
}

/// Returns whether a program can be run by its name.
#[must_use]
pub fn is_here(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = |folder: &Path| folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    std::env::split_paths(&path).any(|folder| named(&folder).is_file())
}

/// Returns what starting or running a program gave, and ends this process with one line where the program
/// is missing or cannot be run.
pub fn found<T>(program: &str, result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        use std::io::Write as _;
        let line = match error.kind() {
            io::ErrorKind::NotFound => missing(program),
            _ => format!("{program}: {error}"),
        };
        let _ = writeln!(io::stderr(), "error: {line}");
        std::process::exit(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_that_a_test_runs_does_not_inherit_the_package_of_the_test() {
        let removed = |name: &str| {
            cargo()
                .get_envs()
                .any(|(key, value)| key == name && value.is_none())
        };
        assert!(removed("CARGO_MANIFEST_DIR") && removed("CARGO_PKG_NAME"));
        assert!(!removed("CARGO_HOME") && !removed("CARGO_TARGET_DIR"));
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        assert_eq!(
            missing("nginx"),
            "the program `nginx` is missing: install the package nginx-light"
        );
        assert_eq!(missing("unheard-of"), "the program `unheard-of` is missing");
        assert!(is_here("cargo") && !is_here("unheard-of"));
    }
}

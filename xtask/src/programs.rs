//! Programs of other packages: whether they are here, and how to get them.

use std::io;
use std::path::Path;

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
    fn a_missing_program_is_named_with_its_package() {
        assert_eq!(
            missing("nginx"),
            "the program `nginx` is missing: install the package nginx-light"
        );
        assert_eq!(missing("unheard-of"), "the program `unheard-of` is missing");
        assert!(is_here("cargo") && !is_here("unheard-of"));
    }
}

//! The programs that the commands of the guide call beside those that every system has.

use std::env;
use std::io::Write as _;

use regex::Regex;

/// A program, and the package of Debian that has it.
const PROGRAMS: [(&str, &str); 2] = [("curl", "curl"), ("openssl", "openssl")];

/// Says which program these commands call that is not on this machine, and how to install it.
#[must_use]
pub fn missing(commands: &str) -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_here = |program: &str| env::split_paths(&path).any(|f| f.join(program).is_file());
    let (program, package) = PROGRAMS
        .into_iter()
        .find(|(program, _)| calls(commands, program) && !is_here(program))?;
    Some(format!(
        "the program `{program}` is missing: install the package {package}"
    ))
}

/// Says that something of the guide is not run, and why.
///
/// # Panics
/// In CI, where everything is to be run.
pub fn skip(what: &str, why: &str) {
    assert!(env::var_os("CI").is_none(), "{what}: {why}");
    // The test harness shows this also where the test passes.
    let _ = writeln!(std::io::stderr(), "{what} is not run: {why}");
}

/// Whether a program stands where the shell expects a command.
fn calls(commands: &str, program: &str) -> bool {
    let start = format!(r"(?m)(^|[|;&(`{{]|\$\()\s*{program}\s");
    Regex::new(&start).unwrap().is_match(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_called_at_the_begin_of_a_command() {
        for commands in [
            "curl -sS x",
            "true\n  curl x",
            "d1() { curl x; }",
            "x=\"$(curl x)\"",
            "cat a | curl x",
        ] {
            assert!(calls(commands, "curl"), "{commands}");
        }
        for commands in ["echo curl x", "curly x", "cat curl"] {
            assert!(!calls(commands, "curl"), "{commands}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert_eq!(missing("ls x"), None);
    }
}

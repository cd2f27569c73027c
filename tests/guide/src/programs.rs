//! The programs that the commands of the guide call beside those that every system has: the workspace's own, and
//! others.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;
use xtask::programs;

/// The programs.
const PROGRAMS: [&str; 2] = ["curl", "openssl"];

/// Builds the programs and examples of the workspace and returns the folder of the programs, which has the examples
/// in `examples`.
///
/// They have the features that `cargo test --workspace` gives them: after it there is little left to build, where a
/// package built alone has other features and needs all its dependencies again.
///
/// # Panics
/// When the build fails.
#[must_use]
pub fn built() -> PathBuf {
    let output = programs::cargo()
        .args(["build", "--locked", "--message-format=json"])
        .args(["--workspace", "--bins", "--examples"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let program = messages.find_map(|message: Value| {
        let is_program = message["target"]["kind"][0] == "bin";
        is_program.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    program.unwrap().parent().unwrap().to_path_buf()
}

/// Says which program these commands call that is not on this machine, and how to install it.
#[must_use]
pub fn missing(commands: &str) -> Option<String> {
    let called = PROGRAMS.into_iter().filter(|p| calls(commands, p));
    let mut absent = called.filter(|p| !programs::is_here(p));
    absent.next().map(programs::missing)
}

/// Says that something of the guide is not run, and why.
///
/// # Panics
/// In CI, where everything is to be run.
pub fn skip(what: &str, why: &str) {
    let in_ci = env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    assert!(!in_ci, "{what}: {why}");
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
}

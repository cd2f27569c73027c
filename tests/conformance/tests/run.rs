//! `run.sh` with a script in the place of each tool: what it counts, how it reports what fails.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

fn run(suite: &str, folder: &Path) -> Output {
    let conformance = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool = conformance.join("tests/tool.sh");
    for name in ["cargo", "npm", "node", "python3"] {
        symlink(&tool, folder.join(name)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(conformance.join("run.sh"));
    command
        .arg(suite)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("TARGET", folder.join("target"))
        .env("TOOL", tool);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_failed_check_is_reported_at_the_end_with_what_the_tool_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("spec", folder.path());
    assert_eq!(
        text(&output.stdout),
        "| suite | check | count | verdict |\n|---|---|---|---|\n\
         | spec | redocly, recommended and examples | 1 | FAIL |\n\
         | spec | spectral, recommended | 1 | FAIL |\n\
         | spec | openapi-spec-validator | 1 | ok |\n\
         | spec | schemas are described, examples are there and valid | 12 | ok |\n\
         \nredocly, recommended and examples:\n1 warning\n\
         \nspectral, recommended:\nwhat it said\n"
    );
    assert_eq!(text(&output.stderr), "error: 2 check(s) failed\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn passed_tests_and_the_lines_of_a_program_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("prism", folder.path());
    assert_eq!(
        text(&output.stdout),
        "| suite | check | count | verdict |\n|---|---|---|---|\n\
         | prism | end-to-end tests through the proxy, at least 10 | 19 | ok |\n\
         | prism | requests that it found nothing wrong with, at least 50 | 60 | ok |\n\
         | prism | read as documented | 5 | ok |\n\
         | prism | other | 1 | FAIL |\n\
         \nother:\nit is\twrong\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_missing_program_is_one_line_that_names_its_package() {
    let empty = tempfile::tempdir().unwrap();
    // What the script itself needs before it looks for programs.
    for name in ["bash", "dirname"] {
        let program = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
        let program = program.iter().find(|path| path.exists()).unwrap();
        symlink(program, empty.path().join(name)).unwrap();
    }
    for (suite, program, package) in [
        ("http", "nginx", "nginx-light"),
        ("tls", "openssl", "openssl"),
        ("jose", "npm", "npm"),
    ] {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("run.sh"));
        let output = command
            .arg(suite)
            .env("PATH", empty.path())
            .output()
            .unwrap();
        let expected =
            format!("error: the program `{program}` is missing: install the package {package}\n");
        assert_eq!(text(&output.stderr), expected, "{suite}");
        assert_eq!(output.status.code(), Some(1), "{suite}");
    }
    let output = run("spel", empty.path());
    assert!(text(&output.stderr).starts_with("error: there is no suite spel; there are: spec "));
    assert_eq!(output.status.code(), Some(2));
}

//! The commands as a maintainer runs them: what they print, what they touch, how they exit.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(args)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A spec file of its own, which goes away with the value.
struct SpecFile {
    folder: tempfile::TempDir,
}

impl SpecFile {
    fn with_text(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spec.yaml"), text).unwrap();
        Self { folder }
    }

    /// The committed spec with an edit. JSON is YAML too.
    fn edited(edit: impl FnOnce(&mut Value)) -> Self {
        let mut spec = xtask::spec::load(&xtask::spec::spec_path()).unwrap();
        edit(&mut spec);
        Self::with_text(&spec.to_string())
    }

    /// The committed spec with another bound, which stands in one generated file.
    fn with_another_limit() -> Self {
        Self::edited(|s| {
            let list = "/banking/v1/issuers/{issuerId}/cards/{cardId}/operations";
            let parameters = s["paths"][list]["get"]["parameters"].as_array_mut();
            let mut parameters = parameters.into_iter().flatten();
            let limit = parameters.find(|p| p["name"] == "limit").unwrap();
            limit["schema"]["maximum"] = json!(20);
        })
    }

    fn path(&self) -> String {
        let path = self.folder.path().join("spec.yaml");
        path.to_str().unwrap().to_owned()
    }
}

fn generated_files() -> Vec<(PathBuf, Vec<u8>)> {
    ["generated.rs", "error_table.rs", "facts.rs"]
        .map(|name| {
            let root = xtask::spec::workspace_root();
            let path = root.join("d1-generated/src").join(name);
            let bytes = std::fs::read(&path).unwrap();
            (path, bytes)
        })
        .into()
}

#[test]
fn check_of_the_committed_spec_says_fresh_of_each_file() {
    let output = xtask(&["codegen", "--check"]);
    assert_eq!(
        stdout(&output),
        "fresh    d1-generated/src/generated.rs\n\
         fresh    d1-generated/src/error_table.rs\n\
         fresh    d1-generated/src/facts.rs\n"
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn check_of_another_spec_shows_the_difference_writes_nothing_and_fails() {
    let before = generated_files();
    let spec = SpecFile::with_another_limit();
    let output = xtask(&["codegen", "--check", "--spec", &spec.path()]);
    assert_eq!(output.status.code(), Some(1));
    let out = stdout(&output);
    for line in [
        "fresh    d1-generated/src/generated.rs",
        "fresh    d1-generated/src/error_table.rs",
        "stale    d1-generated/src/facts.rs",
        "--- committed/d1-generated/src/facts.rs",
        "+++ spec/d1-generated/src/facts.rs",
        "-    maximum: Some(50i64),",
        "+    maximum: Some(20i64),",
    ] {
        assert!(out.lines().any(|l| l == line), "no `{line}` in:\n{out}");
    }
    assert_eq!(
        stderr(&output),
        "error: 1 file(s) are stale; run `cargo xtask codegen`, and review the snapshots\n"
    );
    assert_eq!(generated_files(), before);
}

#[test]
fn a_spec_that_breaks_a_rule_is_refused_by_both_commands_before_anything_is_written() {
    let before = generated_files();
    let spec = SpecFile::edited(|s| {
        s["components"]["schemas"]["Reason"]["x-d1-confidence"] = json!("certain");
    });
    let path = spec.path();
    for args in [&["codegen", "--spec", &path][..], &["spec-lint", &path]] {
        let output = xtask(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert_eq!(
            stderr(&output),
            format!(
                "error: the spec breaks 1 rule(s):\n  \
                 {path}:1: `x-d1-confidence` is \"certain\"\n      \
                 fix [closed-keys]: use one of: sibling, client, inferred\n"
            )
        );
    }
    assert_eq!(generated_files(), before);
}

#[test]
fn spec_lint_passes_the_committed_spec() {
    let output = xtask(&["spec-lint"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rules = xtask::lint::RULES.len();
    assert_eq!(
        stdout(&output),
        format!("spec-lint: {rules} rules, no findings\n")
    );
}

#[test]
fn a_spec_that_cannot_be_read_is_named() {
    let missing = SpecFile::with_text("");
    let path = format!("{}.no", missing.path());
    let output = xtask(&["spec-lint", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(&format!("error: {path}: ")));

    let broken = SpecFile::with_text("openapi: [3.0.3\n");
    let output = xtask(&["codegen", "--check", "--spec", &broken.path()]);
    assert_eq!(output.status.code(), Some(1));
    let start = format!("error: the spec cannot be read: {}: ", broken.path());
    assert!(stderr(&output).starts_with(&start), "{}", stderr(&output));
}

#[test]
fn a_key_that_stands_twice_is_no_spec() {
    let twice = SpecFile::with_text("openapi: 3.0.3\nopenapi: 3.0.2\n");
    let output = xtask(&["spec-lint", &twice.path()]);
    assert!(stderr(&output).contains("duplicate"), "{}", stderr(&output));
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    assert_eq!(xtask(&["codegen", "--no-such"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_left_ends_no_command_in_a_panic_and_changes_no_exit_code() {
    let spec = xtask::spec::spec_path();
    let stale = SpecFile::with_another_limit();
    for (args, code, says) in [
        (&["spec-lint"][..], 0, ""),
        (&["codegen", "--check"], 0, ""),
        (
            &["codegen", "--check", "--spec", &stale.path()],
            1,
            "error: 1 file(s) are stale; run `cargo xtask codegen`, and review the snapshots\n",
        ),
        (&["guide", "--check"], 0, ""),
        (&["spec-diff", spec.to_str().unwrap()], 0, ""),
        (&["help"], 0, ""),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = command.args(args).stdout(writer).output().unwrap();
        let ended = (output.status.code(), stderr(&output));
        assert_eq!(ended, (Some(code), says.to_owned()), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    for args in [
        &["help"][..],
        &["--help"],
        &["spec-lint", "--help"],
        &["spec-lint"],
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = command.args(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(
            stderr(&output).contains("No space left"),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

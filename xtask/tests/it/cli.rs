//! The commands as a maintainer runs them: what they print, what they touch, how they exit.

use std::path::Path;

use serde_json::json;
use xtask::{codegen, guide};

use super::{SPEC, SpecFile, TEXT, done, xtask};

const STALE: &str =
    "error: 1 file(s) are stale; run `cargo xtask codegen`, and review the snapshots\n";

/// The committed spec with another bound, which is in one generated file.
fn with_another_limit() -> SpecFile {
    let edits = json!({"listOperations/parameters/4/schema/maximum": 20});
    SpecFile::edited(&edits)
}

/// The files that `codegen` and `guide` make, with their text.
fn generated_files(root: &Path) -> Vec<(String, String)> {
    let files = codegen::generate(&SPEC).unwrap().into_iter();
    let files = files.chain(guide::generate(&SPEC).unwrap());
    let paths = files.map(|file| file.path.to_str().unwrap().to_owned());
    paths
        .filter_map(|path| Some((std::fs::read_to_string(root.join(&path)).ok()?, path)))
        .collect()
}

#[test]
fn check_of_the_committed_spec_says_fresh_of_each_file() {
    let mut printed = String::new();
    for command in ["codegen", "guide"] {
        let (fresh, error, code) = done(&mut xtask(&[command, "--check"]));
        assert_eq!(code, Some(0), "{error}");
        printed += &fresh;
    }
    let files = generated_files(&xtask::spec::workspace_root());
    assert_eq!(files.len(), 12);
    let fresh = files.iter().map(|(_, name)| format!("fresh    {name}\n"));
    assert_eq!(printed, fresh.collect::<String>());
}

#[test]
fn check_of_another_spec_shows_the_difference_writes_nothing_and_fails() {
    let root = xtask::spec::workspace_root();
    let before = generated_files(&root);
    let code = json!({"renewCard/responses/403/x-d1-errors/0/code": "NOT_ACTIVE"});
    for (command, spec, lines, says) in [
        (
            "codegen",
            with_another_limit(),
            &[
                "fresh    d1-generated/src/generated.rs\n",
                "fresh    d1-generated/src/error_table.rs\n",
                "stale    d1-generated/src/constants.rs\n",
                "--- committed/d1-generated/src/constants.rs\n",
                "+++ spec/d1-generated/src/constants.rs\n",
                "-    maximum: Some(50i64),\n",
                "+    maximum: Some(20i64),\n",
            ][..],
            STALE,
        ),
        (
            "guide",
            SpecFile::edited(&code),
            &[
                "stale    docs/src/generated/errors-renew-card.md\n",
                "+| 403 | `NOT_ACTIVE` | ",
            ],
            "error: 1 file(s) are stale; run `cargo xtask guide`\n",
        ),
    ] {
        let (printed, error, code) =
            done(&mut xtask(&[command, "--check", "--spec", &spec.path()]));
        for line in lines {
            let is_there = format!("\n{printed}").contains(&format!("\n{line}"));
            assert!(is_there, "no `{line}` in:\n{printed}");
        }
        assert_eq!((error.as_str(), code), (says, Some(1)));
    }
    assert_eq!(generated_files(&root), before);
}

/// A copy of the tree has files of its own: a program that was built elsewhere writes these, and no others.
#[test]
fn in_a_copy_of_the_tree_the_files_of_the_copy_are_written() {
    let root = xtask::spec::workspace_root();
    let before = generated_files(&root);
    let copy = tempfile::tempdir().unwrap();
    for folder in ["openapi", "d1-generated/src", "d1-facade/src/values"] {
        std::fs::create_dir_all(copy.path().join(folder)).unwrap();
    }
    let text = TEXT.replace("            maximum: 50", "            maximum: 20");
    std::fs::write(copy.path().join("openapi/d1-card-operations.yaml"), text).unwrap();
    let mut command = xtask(&["codegen"]);
    command.current_dir(copy.path().join("d1-generated"));
    command.env_remove("CARGO_MANIFEST_DIR");
    let (printed, error, code) = done(&mut command);
    assert_eq!(
        (printed.matches("updated  ").count(), code),
        (4, Some(0)),
        "{error}"
    );
    assert!(
        generated_files(copy.path())[2]
            .0
            .contains("maximum: Some(20i64)")
    );
    assert_eq!(generated_files(&root), before);
}

#[test]
fn a_spec_that_breaks_a_rule_is_refused_by_both_commands_before_anything_is_written() {
    let root = xtask::spec::workspace_root();
    let before = generated_files(&root);
    let edits = json!({"Reason/x-d1-confidence": "certain"});
    let spec = SpecFile::edited(&edits);
    let path = spec.path();
    let says = format!(
        "error: the spec breaks 1 rule(s):\n  \
         {path}:1: `x-d1-confidence` is \"certain\"\n      \
         fix [shape]: use one of: sibling, client, inferred\n"
    );
    for args in [&["codegen", "--spec", &path][..], &["spec-lint", &path]] {
        assert_eq!(
            done(&mut xtask(args)),
            (String::new(), says.clone(), Some(1)),
            "{args:?}"
        );
    }
    assert_eq!(generated_files(&root), before);
}

#[test]
fn spec_lint_passes_the_committed_spec() {
    let says = format!(
        "spec-lint: {} rules, no findings\n",
        xtask::lint::rules().len()
    );
    assert_eq!(
        done(&mut xtask(&["spec-lint"])),
        (says, String::new(), Some(0))
    );
}

#[test]
fn a_spec_that_cannot_be_read_is_named() {
    let broken = SpecFile::new("openapi: [3.0.3\n");
    let path = format!("{}.no", broken.path());
    let (_, error, code) = done(&mut xtask(&["spec-lint", &path]));
    assert!(error.starts_with(&format!("error: {path}: ")), "{error}");
    assert_eq!(code, Some(1));
    let (_, error, code) = done(&mut xtask(&[
        "codegen",
        "--check",
        "--spec",
        &broken.path(),
    ]));
    let start = format!("error: the spec cannot be read: {}: ", broken.path());
    assert!(error.starts_with(&start), "{error}");
    assert_eq!(code, Some(1));
    let twice = SpecFile::new("openapi: 3.0.3\nopenapi: 3.0.2\n");
    let (_, error, _) = done(&mut xtask(&["spec-lint", &twice.path()]));
    assert!(error.contains("duplicate"), "{error}");
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    assert_eq!(done(&mut xtask(&["codegen", "--no-such"])).2, Some(2));
}

#[test]
fn a_reader_that_left_ends_no_command_in_a_panic_and_changes_no_exit_code() {
    let spec = xtask::spec::spec_path();
    let stale = with_another_limit();
    for (args, code, says) in [
        (&["spec-lint"][..], 0, ""),
        (&["codegen", "--check"], 0, ""),
        (&["codegen", "--check", "--spec", &stale.path()], 1, STALE),
        (&["guide", "--check"], 0, ""),
        (&["spec-diff", spec.to_str().unwrap()], 0, ""),
        (&["help"], 0, ""),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = xtask(args).stdout(writer).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), error.as_str()),
            (Some(code), says),
            "{args:?}"
        );
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
        let output = xtask(args).stdout(full).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(error.contains("No space left"), "{args:?}: {error}");
    }
}

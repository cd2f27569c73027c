//! Files are compared, written and formatted without surprises: no half file, no wait for ever.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn file(text: &str) -> GeneratedFile {
    GeneratedFile {
        path: "a.rs".into(),
        text: text.into(),
    }
}

fn diff(root: &Path, file: &GeneratedFile) -> String {
    match compare(root, file) {
        State::Stale(diff) => diff,
        State::Fresh => panic!("it is fresh"),
    }
}

#[test]
fn a_missing_or_different_file_is_stale_and_the_diff_shows_the_lines() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(
        diff(root.path(), &file("one\n")),
        "--- /dev/null\n+++ spec/a.rs\n@@ -0,0 +1 @@\n+one\n"
    );
    write(root.path(), &file("one\n")).unwrap();
    assert_eq!(compare(root.path(), &file("one\n")), State::Fresh);
    assert_eq!(
        diff(root.path(), &file("two\n")),
        "--- committed/a.rs\n+++ spec/a.rs\n@@ -1 +1 @@\n-one\n+two\n"
    );
}

#[test]
fn a_file_that_is_not_text_is_stale_and_the_diff_says_why() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a.rs"), [0xff, 0xfe]).unwrap();
    let diff = diff(root.path(), &file("one\n"));
    assert!(diff.starts_with("--- committed/a.rs (stream did not contain valid UTF-8)"));
}

#[test]
fn a_write_leaves_no_temporary_file() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &file("one\n")).unwrap();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let root = tempfile::tempdir().unwrap();
    // A folder stands where the file is to go, so the last step fails.
    std::fs::create_dir_all(root.path().join("a.rs/kept")).unwrap();
    let error = write(root.path(), &file("one\n")).unwrap_err();
    assert!(error.to_string().contains("a.rs: "), "{error}");
    assert!(root.path().join("a.rs/kept").is_dir());
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_check_writes_nothing_and_fails_and_a_write_makes_it_pass() {
    let root = tempfile::tempdir().unwrap();
    let other = GeneratedFile {
        path: "b.rs".into(),
        text: "other\n".into(),
    };
    write(root.path(), &other).unwrap();
    let files = [file("one\n"), other];
    let run = |mode| {
        let mut out = Vec::new();
        let result = apply(root.path(), &files, mode, "`mend`", &mut out);
        (result, String::from_utf8(out).unwrap())
    };

    let (result, out) = run(Mode::Check);
    let text = result.unwrap_err().to_string();
    assert_eq!(text, "1 file(s) are stale; run `mend`");
    assert!(out.starts_with("stale    a.rs\n--- /dev/null\n"), "{out}");
    assert!(out.ends_with("\nfresh    b.rs\n"), "{out}");
    assert!(!root.path().join("a.rs").exists());

    let (result, out) = run(Mode::Write);
    result.unwrap();
    assert_eq!(out, "updated  a.rs\nfresh    b.rs\n");

    let (result, out) = run(Mode::Check);
    result.unwrap();
    assert_eq!(out, "fresh    a.rs\nfresh    b.rs\n");
}

#[test]
fn a_missing_formatter_is_named_with_the_mend() {
    let error = pipe(Command::new("/no/such/rustfmt"), "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the program `rustfmt` is missing: rustup component add rustfmt"
    );
}

#[test]
fn code_that_rustfmt_refuses_gives_its_own_words() {
    let text = rustfmt("fn (").unwrap_err().to_string();
    assert!(text.contains("rustfmt: exit status: 1: error: "), "{text}");
}

#[cfg(unix)]
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Runs `pipe` aside, so that a formatter that never ends fails the test instead of holding it.
#[cfg(unix)]
fn pipe_in_time(command: Command, input: String) -> Result<String, Error> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(pipe(command, &input));
    });
    receiver
        .recv_timeout(std::time::Duration::from_secs(60))
        .unwrap()
}

/// More than a pipe holds.
#[cfg(unix)]
const LARGE: usize = 4 << 20;

#[cfg(unix)]
#[test]
fn a_formatter_that_prints_while_it_reads_is_not_waited_for_in_vain() {
    let output = pipe_in_time(shell("cat"), "x".repeat(LARGE)).unwrap();
    assert_eq!(output.len(), LARGE);
}

#[cfg(unix)]
#[test]
fn a_formatter_that_fails_before_it_reads_gives_its_own_words() {
    let command = shell("echo no such option >&2; exit 3");
    let text = pipe_in_time(command, "x".repeat(LARGE))
        .unwrap_err()
        .to_string();
    assert!(text.contains("exit status: 3: no such option"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_formatter_that_does_not_read_its_input_is_not_believed() {
    let result = pipe_in_time(shell("echo half"), "x".repeat(LARGE));
    assert!(matches!(result, Err(Error::Format(_))), "{result:?}");
}

//! Records terminal sessions: runs the commands of a file and writes down what they print, with what
//! differs from run to run masked.
//!
//! A session is a file `docs/sessions/NAME.sh` with one command a line; lines that begin with `#` are for
//! its author. Its record is `docs/src/generated/session-NAME.md`, which a chapter includes.

use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;

use crate::shell::Shell;

/// Runs the commands of a session in `folder`, after `preparation`, and gives its record.
///
/// # Panics
/// When the preparation fails, or a command ends the shell.
#[must_use]
pub fn record(name: &str, commands: &str, folder: &Path, preparation: &str) -> String {
    let mut shell = Shell::start(folder, &[]).unwrap();
    let prepared = shell.run(preparation).unwrap();
    assert_eq!(prepared.code, 0, "{name}: {}", prepared.text);
    let mut text = format!(
        "<!-- Made from docs/sessions/{name}.sh by `D1_UPDATE_DOCS=1 cargo test -p d1-guide --test \
         sessions`. Do not edit. -->\n\n```console\n"
    );
    for command in commands.lines().filter(|l| is_command(l)) {
        let output = shell
            .run(command)
            .unwrap_or_else(|said| panic!("{name}: `{command}` ends the shell: {said}"));
        writeln!(text, "$ {command}").unwrap();
        text += &masked(&output.text, folder);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if output.code != 0 {
            writeln!(text, "[exit code {}]", output.code).unwrap();
        }
    }
    text + "```\n"
}

fn is_command(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

/// What differs from run to run, and what stands for it in a record.
const MASKS: [(&str, &str); 12] = [
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>"),
    (
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        "<uuid>",
    ),
    (
        r#"\b(correlation ?[iI]d"?:? *"?)[\w-]*\d[\w-]*"#,
        "${1}<id>",
    ),
    // It may begin or end with a hyphen, which is no part of a word.
    (r"(^|[^\w-])[\w-]{43}([^\w-]|$)", "${1}<base64url>${2}"),
    (
        r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
        "<time>",
    ),
    (
        r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
        "<time>",
    ),
    (
        r"\b[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT",
        "<time>",
    ),
    (r"\b(localhost|127\.0\.0\.1|\[::1\]):\d+", "${1}:<port>"),
    (r"\b\d+\.\d+ ?(ms|µs|s)\b", "<duration>"),
    (r"\bOpenSSL \d[\w.-]*", "OpenSSL <version>"),
    (r#"\b(seconds"?:? *)\d+\.\d+"#, "${1}<duration>"),
    (r"\x1b\[[0-9;]*m", ""),
];

/// A text without what differs from run to run.
#[must_use]
pub fn masked(text: &str, folder: &Path) -> String {
    let mut text = text.replace(&*folder.to_string_lossy(), "~/guide");
    for (pattern, mask) in MASKS {
        let pattern = Regex::new(pattern).unwrap();
        text = pattern.replace_all(&text, mask).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_commands_what_they_print_and_how_they_fail() {
        let folder = tempfile::tempdir().unwrap();
        let commands =
            "# not shown\n\necho \"$x\"\npwd; printf 'no end'\nsh -c 'echo bad >&2; exit 3'\n";
        let text = record("a", commands, folder.path(), "x=1");
        let (_, shown) = text.split_once("-->\n\n").unwrap();
        assert_eq!(
            shown,
            "```console\n$ echo \"$x\"\n1\n$ pwd; printf 'no end'\n~/guide\nno end\n\
             $ sh -c 'echo bad >&2; exit 3'\nbad\n[exit code 3]\n```\n"
        );
    }

    #[test]
    fn what_differs_from_run_to_run_is_masked_and_nothing_else() {
        let folder = Path::new("/some/folder");
        for (text, expected) in [
            ("https://localhost:40123/x", "https://localhost:<port>/x"),
            ("at 127.0.0.1:1", "at 127.0.0.1:<port>"),
            ("2026-11-25T03:40:51.123Z", "<time>"),
            ("2026-11-25T03:40:51+01:00", "<time>"),
            ("Wed, 25 Nov 2026 03:40:51 GMT", "<time>"),
            ("Nov  5 03:40:51 2026 GMT", "<time>"),
            ("e02738d3-a0cf-4f7d-a764-cb86236e6d70", "<uuid>"),
            ("eyJhbGci.e30.c2ln-_", "<jwt>"),
            (
                "kid NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
                "kid <base64url>",
            ),
            (
                "kid -RQJPqMR2veY1bPTSAA61eu_Bc3vKKMJOjmOJEn6Ig-; kid",
                "kid <base64url>; kid",
            ),
            (
                "the correlation id case-4711; \"correlationId\":\"a-1\"",
                "the correlation id <id>; \"correlationId\":\"<id>\"",
            ),
            (
                "a correlation id of one's own",
                "a correlation id of one's own",
            ),
            (
                "\"seconds\":0.055, seconds  1.5",
                "\"seconds\":<duration>, seconds  <duration>",
            ),
            ("took 12.5 ms, 1.0s", "took <duration>, <duration>"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("/some/folder/sandbox", "~/guide/sandbox"),
            (
                "900 seconds, HTTP 404, 4.4, 1230, v1.2.3",
                "900 seconds, HTTP 404, 4.4, 1230, v1.2.3",
            ),
        ] {
            assert_eq!(masked(text, folder), expected);
        }
    }
}

//! The suite `prism`: the end-to-end tests through Prism's validating proxy, and the facade before what
//! Prism makes up from the document.

use std::process::Command;

use super::Row;
use super::tools::{Tools, cargo, io, said};
use crate::error::Error;

/// Tests that are about what the document does not say, or that break it on purpose.
const NOT_THROUGH_PRISM: [&str; 5] = [
    // They send what the document forbids.
    "error_400_of_each_operation",
    // The other readings of open questions: answers without the body that the document has.
    "what_is_not_documented_about_success_makes_no_difference",
    "error_404_without_a_code_or_a_body",
    // Prism puts a body of its own in place of an empty one, which is then not D1's.
    "error_500_of_each_operation",
    // It is about TLS, which Prism does not speak.
    "without_a_client_certificate_of_d1s_nothing_gets_through",
];

pub(super) fn run(tools: &Tools) -> Result<Vec<Row>, Error> {
    let prism = tools.npm_tool("prism");
    let log = tools.folder.join("prism.log");
    match std::fs::remove_file(&log) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io("prism.log", e)),
        _ => {}
    }
    let mut tests = cargo();
    tests
        .args(["test", "--locked", "--package=d1-tests"])
        .args(["--test=it", "--", "end_to_end"])
        .args(NOT_THROUGH_PRISM.map(|test| format!("--skip={test}")))
        .env("D1_TESTS_PRISM", &prism)
        .env("D1_TESTS_PRISM_LOG", &log);
    let output = tools.output(&mut tests)?;
    let passed = output.status.success();
    let forwarded = std::fs::read_to_string(&log).unwrap_or_default();
    let row = |check: &str, count: usize, least: usize| Row {
        suite: "prism",
        check: format!("{check}, at least {least}"),
        count: count.to_string(),
        passed: passed && count >= least,
        detail: said(&output),
    };
    let mut rows = vec![
        row(
            "end-to-end tests through the proxy",
            passes(&said(&output)),
            10,
        ),
        row(
            "requests that it found nothing wrong with",
            forwarded.lines().count(),
            50,
        ),
    ];
    let mut mock = Command::new(tools.build("prism_mock")?);
    rows.extend(tools.rows("prism", mock.arg(&prism))?);
    Ok(rows)
}

/// How many tests passed, by what cargo printed.
fn passes(text: &str) -> usize {
    text.lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|line| line.split(' ').next()?.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn passed_tests_are_counted_over_all_programs() {
        let text = "x\ntest result: ok. 7 passed; 0 failed\ntest result: FAILED. 2 passed\n\
                    test result: ok. 12 passed; 0 failed\n";
        assert_eq!(passes(text), 19);
    }
}

//! Each slip in a spec is found by `spec-lint`, with its place and what to do. `lint.yaml` has the slips, the snapshots
//! what is said about each.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use xtask::lint::{self, Finding};

use super::{SPEC, TEXT, edited};

/// `lint.yaml`.
#[derive(Deserialize)]
struct Slips {
    /// A spec that no rule objects to.
    small: Value,
    /// Edits of it.
    edits: Vec<Value>,
    /// What is replaced in the committed spec, once, and by what.
    texts: Vec<(String, String)>,
}

fn slips() -> Slips {
    serde_saphyr::from_str(include_str!("lint.yaml")).unwrap()
}

#[test]
fn the_small_spec_and_the_committed_one_break_no_rule() {
    for spec in [&slips().small, &SPEC] {
        let findings = lint::check(spec);
        assert!(findings.is_empty(), "{}", lint::render(&findings));
    }
}

#[test]
fn every_edit_is_found_and_each_rule_is_broken_alone() {
    let slips = slips();
    let (mut report, mut broken) = (String::new(), BTreeSet::new());
    for edits in &slips.edits {
        let findings = lint::check(&edited(&slips.small, edits));
        let rules: BTreeSet<_> = findings.iter().map(|finding| finding.rule).collect();
        assert!(!rules.is_empty(), "no finding: {edits}");
        if rules.len() == 1 {
            broken.extend(rules);
        }
        writeln!(report, "{edits}\n{}", lint::render(&findings)).unwrap();
    }
    assert_eq!(broken, lint::rules().collect());
    assert_eq!(
        broken.len(),
        lint::rules().len(),
        "two rules have the same name"
    );
    insta::assert_snapshot!(report);
}

#[test]
fn every_slip_in_the_committed_spec_is_found_with_its_line_and_the_fix() {
    let mut report = String::new();
    for (from, to) in slips().texts {
        assert!(TEXT.contains(&from), "{from:?} is not in the spec");
        let text = TEXT.replacen(&from, &to, 1);
        let findings = lint::check_text(&text, "spec.yaml").unwrap();
        assert!(
            !findings.is_empty(),
            "{from:?} became {to:?}, without a finding"
        );
        let last_line = |text: &str| {
            text.trim_end()
                .lines()
                .last()
                .unwrap_or("")
                .trim()
                .to_owned()
        };
        let findings = with_lines(findings, &text);
        writeln!(
            report,
            "{} => {}\n{findings}\n",
            last_line(&from),
            last_line(&to)
        )
        .unwrap();
    }
    insta::assert_snapshot!(report);
}

/// The findings, the number of each line replaced by its text: it moves with every edit of the spec.
fn with_lines(mut findings: Vec<Finding>, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    for finding in &mut findings {
        let line = finding.location.strip_prefix("spec.yaml:").unwrap();
        let line: usize = line.parse().unwrap();
        finding.location = format!("at `{}`", lines[line - 1].trim());
    }
    lint::render(&findings)
}

#[test]
fn a_key_that_is_there_twice_is_named_with_its_line() {
    let text = TEXT.replacen(
        "      minLength: 10\n",
        "      minLength: 10\n      minLength: 1\n",
        1,
    );
    let error = lint::check_text(&text, "spec.yaml")
        .unwrap_err()
        .to_string();
    let line = text
        .lines()
        .position(|l| l == "      minLength: 1")
        .unwrap()
        + 1;
    let expected = format!("line {line} column 7: duplicate mapping key: minLength");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn findings_of_several_rules_all_show() {
    let edits = serde_json::json!({"/openapi": "3.1.0", "readCard/tags/0": "Crads"});
    let text = lint::render(&lint::check(&edited(&slips().small, &edits)));
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("openapi: `openapi` is \"3.1.0\""), "{text}");
    assert!(text.contains("`Crads` is not declared in tags"), "{text}");
}

/// The table of our extensions in `CONTRIBUTING.md` has the keys that the lint knows, and no others.
#[test]
fn the_extensions_are_those_of_contributing() {
    let path = xtask::spec::workspace_root().join("CONTRIBUTING.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `x-"));
    let names = rows.map(|row| row.split(['`', ':']).next().unwrap());
    let listed: BTreeSet<String> = names.map(|name| format!("x-{name}")).collect();
    assert_eq!(listed, lint::extensions());
}

//! `cargo xtask spec-diff` as an integrator runs it: on variants of our own spec, one edit each, and on
//! small documents written by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

mod documents;
mod same;
mod unreadable;
mod variants;

use std::process::Command;
use std::sync::LazyLock;

static OURS: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(xtask::spec::spec_path()).unwrap());

/// What a run gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Compares a text with our spec.
fn diff(text: &str) -> Run {
    diff_bytes(text.as_bytes())
}

fn diff_bytes(bytes: &[u8]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("theirs.yaml");
    std::fs::write(&file, bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("spec-diff")
        .arg(&file)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// One difference as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    class: String,
    /// Place and what.
    title: String,
    /// Ours and theirs.
    says: String,
    question: Option<String>,
    why: String,
    line: usize,
}

impl Run {
    /// The differences, without what theirs confirms.
    fn told(&self) -> Vec<Told> {
        let mut all: Vec<Told> = Vec::new();
        let mut class = String::new();
        for line in self.out.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                class = heading.to_owned();
            } else if class == "confirms" {
                continue;
            } else if let Some(title) = line.strip_prefix("- ") {
                all.push(Told {
                    class: class.clone(),
                    title: title.to_owned(),
                    says: String::new(),
                    question: None,
                    why: String::new(),
                    line: 0,
                });
            } else if let (Some(told), Some(text)) = (all.last_mut(), line.strip_prefix("  ")) {
                if let Some(question) = text.strip_prefix("question: ") {
                    told.question = Some(question.to_owned());
                } else if let Some(number) = text.strip_prefix("openapi/d1-card-operations.yaml:") {
                    told.line = number.parse().unwrap();
                } else if told.says.is_empty() {
                    told.says = text.to_owned();
                } else if !text.starts_with("also ") {
                    told.why = text.to_owned();
                }
            }
        }
        all
    }

    /// The one difference of an edit that makes one.
    fn only(&self) -> Told {
        let told = self.told();
        assert_eq!(told.len(), 1, "{}{}", self.out, self.err);
        told.into_iter().next().unwrap()
    }

    fn with_title(&self, title: &str) -> Told {
        let mut found = self.told().into_iter().filter(|t| t.title == title);
        match (found.next(), found.next()) {
            (Some(told), None) => told,
            _ => panic!("not one `{title}` in:\n{}{}", self.out, self.err),
        }
    }
}

/// Our spec with a text replaced that stands there once, after the first `after`.
fn edited(after: &str, from: &str, to: &str) -> String {
    replaced(&OURS, after, from, to)
}

fn replaced(text: &str, after: &str, from: &str, to: &str) -> String {
    let start = text.find(after).unwrap_or_else(|| panic!("no `{after}`"));
    let at = text[start..]
        .find(from)
        .unwrap_or_else(|| panic!("no `{from}`"));
    let (before, rest) = text.split_at(start + at);
    format!("{before}{to}{}", &rest[from.len()..])
}

/// The number of the line of our spec that holds a text, after the first `after`.
fn line(after: &str, text: &str) -> usize {
    let start = OURS.find(after).unwrap_or_else(|| panic!("no `{after}`"));
    let at = OURS[start..]
        .find(text)
        .unwrap_or_else(|| panic!("no `{text}`"));
    OURS[..start + at].matches('\n').count() + 1
}

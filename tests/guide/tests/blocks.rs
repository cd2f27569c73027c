//! No block of code of the guide escapes: each is compiled, run, parsed, or marked as one that cannot be.
#![allow(clippy::unwrap_used, clippy::panic)]

use d1_guide::book::{Chapter, chapters, expanded, files, included, part, source, workspace};
use d1_guide::chapters::COMPILED;
use d1_guide::markdown::{Block, blocks};

fn each_block(chapters: &[Chapter], mut check: impl FnMut(&Chapter, &Block) -> Option<String>) {
    let mut wrong = Vec::new();
    for chapter in chapters {
        for block in blocks(&chapter.text) {
            if let Some(problem) = check(chapter, &block) {
                wrong.push(format!(
                    "docs/src/{}:{}: {problem}",
                    chapter.name, block.line
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What keeps a block from being true, judged by its kind.
fn problem(info: Option<&str>, text: &str) -> Option<String> {
    let unreadable = |e: &dyn std::fmt::Display| Some(format!("it cannot be read: {e}"));
    match info {
        // Compiled, and but for the second run, as doctests.
        Some("rust" | "rust,no_run") => None,
        // An example of the workspace, compiled as such.
        Some("rust,ignore") => match included(text.trim_end()) {
            Some(path) if is_example(path) => None,
            _ => Some("`ignore` is for an include of an example alone".to_owned()),
        },
        // A client that tests/conformance/run.sh runs.
        Some("python" | "javascript" | "java" | "go") => match included(text.trim_end()) {
            Some(path) if path.contains("examples/clients/") && is_example(path) => None,
            _ => Some("it is not an include of a file of examples/clients".to_owned()),
        },
        // Run by the test `shell`.
        Some("sh" | "sh,server") => None,
        Some("toml") => toml::from_str::<toml::Table>(text)
            .err()
            .and_then(|e| unreadable(&e)),
        Some("json") => serde_json::from_str::<serde_json::Value>(text)
            .err()
            .and_then(|e| unreadable(&e)),
        Some("yaml") => serde_saphyr::from_str::<serde_json::Value>(text)
            .err()
            .and_then(|e| unreadable(&e)),
        // What only Thales can answer, or what is no code.
        Some("text") => None,
        Some(other) => Some(format!("nothing checks a block of the kind `{other}`")),
        None => Some("an indent is no fence: nothing says what it is".to_owned()),
    }
}

/// Whether it is a file of an example, or a part of one between two anchors.
fn is_example(path: &str) -> bool {
    let (file, _) = path.split_once(':').unwrap_or((path, ""));
    let Ok(file) = source().join(file).canonicalize() else {
        return false;
    };
    let root = workspace().canonicalize().unwrap();
    let inside = file.strip_prefix(root).unwrap().to_owned();
    (inside.starts_with("d1-facade/examples") || inside.starts_with("examples"))
        && part(path).is_some()
}

#[test]
fn every_block_is_of_a_kind_that_is_checked() {
    each_block(&chapters(), |_, block| {
        problem(block.info.as_deref(), &block.text)
    });
}

#[test]
fn a_block_that_nothing_checks_is_refused() {
    for (info, text) in [
        (None, "x"),
        (Some(""), "x"),
        (Some("bash"), "x"),
        (Some("console"), "$ x"),
        (Some("rust,ignore"), "fn f() {}"),
        (Some("rust,ignore"), "{{#include ../../README.md}}"),
        (
            Some("rust,ignore"),
            "{{#include ../../d1-facade/examples/no_such.rs}}",
        ),
        (
            Some("rust,ignore"),
            "{{#include ../../examples/issuer-service/src/store.rs:no_such}}",
        ),
        (Some("rust,compile_fail"), "x"),
        (Some("sh,ignore"), "x"),
        (Some("toml"), "a ="),
        (Some("json"), "{"),
        (Some("yaml"), "a: [b"),
    ] {
        assert!(problem(info, text).is_some(), "{info:?} {text}");
    }
}

#[test]
fn every_chapter_with_rust_is_compiled() {
    each_block(&chapters(), |chapter, block| {
        let info = block.info.as_deref().unwrap_or_default();
        let is_compiled = COMPILED.contains(&chapter.name.as_str());
        (info.starts_with("rust") && !is_compiled)
            .then(|| "the chapter is not in tests/guide/src/chapters.rs".to_owned())
    });
    for name in COMPILED {
        assert!(chapters().iter().any(|c| c.name == *name), "{name}");
    }
}

#[test]
fn every_file_is_a_chapter_or_a_part_of_one() {
    let chapters = chapters();
    for name in files(&source(), "md") {
        let is_chapter = name == "SUMMARY.md" || chapters.iter().any(|c| c.name == name);
        let is_part = chapters
            .iter()
            .any(|c| c.text.lines().any(|l| included(l) == Some(&name)));
        assert!(is_chapter || is_part, "{name} is in no chapter");
        assert_eq!(name.starts_with("generated/"), is_part, "{name}");
    }
}

#[test]
fn the_parts_that_commands_made_are_tables_and_sessions() {
    for name in files(&source().join("generated"), "md") {
        let text = std::fs::read_to_string(source().join(&name)).unwrap();
        let kinds: Vec<_> = blocks(&text).into_iter().map(|b| b.info.unwrap()).collect();
        if name.starts_with("generated/session-") {
            assert_eq!(kinds, ["console"], "{name}");
        } else {
            assert!(
                kinds.is_empty() && name.starts_with("generated/errors-"),
                "{name}"
            );
        }
    }
}

#[test]
fn what_is_included_is_there() {
    for chapter in chapters() {
        assert!(!expanded(&chapter.text).contains("{{#"), "{}", chapter.name);
    }
}

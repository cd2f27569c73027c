//! Where the guide stands, and which chapters its summary lists.

use std::fs;
use std::path::{Path, PathBuf};

use crate::markdown;

/// A file of the book.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// Its name, seen from the book's folder.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap().to_path_buf()
}

/// The folder that the chapters stand in.
#[must_use]
pub fn source() -> PathBuf {
    workspace().join("docs/src")
}

/// The chapters in the order of the summary.
#[must_use]
pub fn chapters() -> Vec<Chapter> {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).unwrap();
    markdown::links(&summary)
        .into_iter()
        .map(|link| Chapter {
            text: fs::read_to_string(source().join(&link.target))
                .unwrap_or_else(|e| panic!("SUMMARY.md: {}: {e}", link.target)),
            name: link.target,
        })
        .collect()
}

/// Every file below `folder` with this extension, by its name seen from the book's folder.
#[must_use]
pub fn files(folder: &Path, extension: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            let name = path.strip_prefix(source()).unwrap_or(&path);
            names.push(name.to_str().unwrap().to_owned());
        }
    }
    names.sort();
    names
}

/// A chapter as mdBook sees it: with what it includes in its place.
#[must_use]
pub fn expanded(text: &str) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        match included(line) {
            Some(path) => whole += &part(path).unwrap_or_else(|| panic!("there is no {path}")),
            None => whole += line,
        }
        whole.push('\n');
    }
    whole
}

/// What is included: a file, or the part of it between the two comments of an anchor. Where there is none mdBook
/// includes nothing.
#[must_use]
pub fn part(path: &str) -> Option<String> {
    let (file, anchor) = path.split_once(':').unwrap_or((path, ""));
    let text = fs::read_to_string(source().join(file)).ok()?;
    if anchor.is_empty() {
        return Some(text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let at = |mark: &str| {
        let comment = format!("// {mark}: {anchor}");
        lines.iter().position(|line| line.trim() == comment)
    };
    let lines = lines.get(at("ANCHOR")? + 1..at("ANCHOR_END")?)?;
    Some(lines.join("\n"))
}

/// The file, and the anchor in it, that a line includes, seen from the book's folder.
#[must_use]
pub fn included(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix("{{#include ")?;
    Some(inner.strip_suffix("}}")?.trim())
}

//! The shell commands of each chapter, in order, against a sandbox that runs beside them.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use d1_guide::book::{chapters, workspace};
use d1_guide::shell::{follow, server_of};

/// Where the quick start sends its reader.
const FOLDER: &str = "target/guide";

/// What is left of an earlier run must not help this one.
fn emptied(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
}

#[test]
fn every_command_of_the_guide_works() {
    let (root, folder) = (workspace(), workspace().join(FOLDER));
    let chapters = chapters();
    let quick_start = chapters
        .iter()
        .find(|c| c.name == "quick-start.md")
        .unwrap();
    // The sandbox that the other chapters count on.
    let server = server_of(quick_start).unwrap();
    let (mut run, mut wrong) = (0, Vec::new());
    for chapter in &chapters {
        emptied(&folder);
        let begin = if chapter.name == quick_start.name {
            &root
        } else {
            &folder
        };
        match follow(chapter, begin, &server) {
            Ok(blocks) => run += blocks,
            Err(failure) => wrong.push(failure.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run > 10, "{run} blocks are not all of them");
}

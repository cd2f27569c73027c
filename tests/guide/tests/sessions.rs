//! The terminal sessions of the guide are what the programs print today.
//!
//! `D1_UPDATE_DOCS=1 cargo test -p d1-guide --test sessions` writes them anew.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;

use d1_guide::book::{files, source, workspace};
use d1_guide::programs::{built, missing, skip};
use d1_guide::session::record;
use d1_guide::shell::Server;
use similar::TextDiff;

/// The arguments of the sandbox. Each session has one of its own: its operations count from one, so that their ids are
/// the same in every run.
const SANDBOX: &str = "serve --dir target/guide-sessions/sandbox --control-port 0";

/// The session that a part of the guide is the record of.
fn session_of(part: &str) -> Option<&str> {
    part.strip_prefix("generated/session-")?.strip_suffix(".md")
}

#[test]
fn every_session_is_what_the_programs_print() {
    let (root, sessions) = (workspace(), workspace().join("docs/sessions"));
    let folder = root.join("target/guide-sessions");
    let programs = built().display().to_string();
    let server = format!("exec '{programs}/d1-sandbox' {SANDBOX}");
    let preparation = format!(". sandbox/d1.env\nPATH='{programs}':\"$PATH\"");
    let update = std::env::var_os("D1_UPDATE_DOCS").is_some();
    let mut stale = String::new();
    let mut names = Vec::new();
    for path in files(&sessions, "sh") {
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".sh");
        names.push(name.to_owned());
        let commands = fs::read_to_string(&path).unwrap();
        if let Some(why) = missing(&commands) {
            skip(&format!("docs/sessions/{name}.sh"), &why);
            continue;
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        let sandbox = Server::start(&server, &root).unwrap();
        let text = record(name, &commands, &folder, &preparation);
        drop(sandbox);
        let part = source().join(format!("generated/session-{name}.md"));
        let committed = fs::read_to_string(&part).unwrap_or_default();
        if update {
            fs::write(&part, &text).unwrap();
        } else if committed != text {
            let diff = TextDiff::from_lines(&committed, &text);
            stale += &diff.unified_diff().header("committed", name).to_string();
        }
    }
    assert!(
        stale.is_empty(),
        "run D1_UPDATE_DOCS=1 cargo test -p d1-guide --test sessions\n{stale}"
    );
    // A record whose session is gone shows what nobody runs.
    let parts = files(&source().join("generated"), "md");
    let recorded: Vec<&str> = parts.iter().filter_map(|p| session_of(p)).collect();
    assert_eq!(recorded, names);
}

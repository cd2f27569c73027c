//! The public API of the facade and of bulk, as its sources declare it; a change of it is a change for services.
//!
//! Read from the text, which rustfmt keeps regular: the compiler's own description of an API is not
//! stable. That a `pub` item is really reachable is the business of the lint `unreachable_pub`.

use std::fmt::Write as _;
use std::path::Path;

/// The declarations of a file: the heads of its public items, under the heads of the blocks that they
/// stand in.
fn declarations(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut block = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("#[cfg(test)]") {
            break;
        }
        if trimmed.starts_with("call_options!(")
            || trimmed.starts_with("change_options!(")
            || trimmed.starts_with("card_number!(")
        {
            out.push(trimmed.to_owned());
        } else if is_block_head(trimmed) {
            block = head(trimmed, &mut lines);
        } else if trimmed.starts_with("pub ") {
            let declaration = head(trimmed, &mut lines);
            let indented = line.len() > trimmed.len();
            let inside = if indented && !block.is_empty() {
                format!("{block} :: ")
            } else {
                String::new()
            };
            out.push(format!("{inside}{declaration}"));
            if declaration.starts_with("pub enum") || declaration.starts_with("pub trait") {
                out.extend(body(&mut lines, line.len() - trimmed.len()));
            }
        } else if trimmed.starts_with("open_enum! {") {
            out.extend(body(&mut lines, 0));
        }
    }
    out
}

fn is_block_head(line: &str) -> bool {
    ["impl ", "impl<", "macro_rules! "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// A declaration up to its body, on one line, without private fields.
fn head<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let whole = |text: &str| match text {
        _ if text.starts_with("pub use") || text.starts_with("pub const") => text.ends_with(';'),
        _ if text.starts_with("pub fn") || text.starts_with("pub struct") => {
            text.ends_with(['{', ';'])
        }
        _ => text.ends_with(['{', ';', ',']),
    };
    let mut text = first.to_owned();
    while !whole(&text) {
        let Some(next) = lines.next() else { break };
        text.push(' ');
        text.push_str(next.trim());
    }
    let text = text.trim_end_matches(['{', ' ', ';', ',']);
    match (text.starts_with("pub struct"), text.split_once('(')) {
        (true, Some((name, fields))) if !fields.contains("pub ") => name.to_owned(),
        _ => text.to_owned(),
    }
}

/// The lines of a block that say something, up to its closing brace.
fn body<'a>(lines: &mut impl Iterator<Item = &'a str>, indentation: usize) -> Vec<String> {
    let end = format!("{}}}", " ".repeat(indentation));
    let mut out = Vec::new();
    for line in lines.by_ref() {
        if line == end {
            break;
        }
        let trimmed = line.trim();
        if !trimmed.is_empty()
            && !trimmed.starts_with("//")
            && !trimmed.starts_with("#[")
            && trimmed != "}"
        {
            out.push(format!("    {trimmed}"));
        }
    }
    out
}

fn sources(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if !["_tests.rs", "/fuzzing.rs", "/probe.rs"]
            .iter()
            .any(|other| path.to_string_lossy().ends_with(other))
        {
            // The first two are in no build of a service, the third is hidden and for `d1` alone.
            out.push(path);
        }
    }
}

fn api_of(crate_name: &str) -> String {
    let folder = xtask::spec::workspace_root().join(crate_name).join("src");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    files.sort();
    let mut report = String::new();
    for file in files {
        let mut declarations = declarations(&std::fs::read_to_string(&file).unwrap());
        declarations.retain(|line| !["pub mod fuzzing", "pub mod probe"].contains(&line.as_str()));
        if !declarations.is_empty() {
            let name = file.strip_prefix(&folder).unwrap().display().to_string();
            writeln!(report, "# {}", name.replace('\\', "/")).unwrap();
            for declaration in declarations {
                writeln!(report, "{declaration}").unwrap();
            }
        }
    }
    report
}

#[test]
fn what_services_can_name() {
    insta::assert_snapshot!(api_of("d1-facade"));
}

#[test]
fn what_users_of_bulk_can_name() {
    insta::assert_snapshot!(api_of("d1-bulk"));
}

#[test]
fn no_type_of_the_layers_beneath_is_part_of_it() {
    let hatches = ["pub fn http_client", "pub fn crypto_provider"];
    for line in (api_of("d1-facade") + &api_of("d1-bulk")).lines() {
        if hatches.iter().any(|hatch| line.contains(hatch)) {
            continue;
        }
        for foreign in [
            "d1_generated",
            "progenitor",
            "josekit",
            "openssl",
            "reqwest",
            "rustls",
            "types::",
        ] {
            assert!(!line.contains(foreign), "{line}");
        }
    }
}

/// The types of other crates that services meet, beside those of the two escape hatches: JSON that D1
/// may add at any time, a time, the standard form of a stream, and how a task of tokio failed.
const FOREIGN: [&str; 5] = ["JoinError", "Map", "OffsetDateTime", "Stream", "Value"];

/// The names that a file takes from crates that are neither its own nor the standard library.
fn imports(text: &str) -> Vec<String> {
    let own = ["std::", "core::", "crate::", "super::", "self::"];
    let mut names = Vec::new();
    for statement in text.split(';').map(str::trim_start) {
        let lines = statement
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let statement: String = lines.collect();
        let Some(path) = statement.trim_start().strip_prefix("use ") else {
            continue;
        };
        if own.iter().any(|own| path.starts_with(own)) {
            continue;
        }
        let words = path.split(|c: char| !c.is_alphanumeric() && c != '_');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        for (at, word) in words.iter().enumerate() {
            // Of `A as B` the file knows `B` alone.
            let is_renamed = words.get(at + 1) == Some(&"as");
            if word.starts_with(|c: char| c.is_ascii_uppercase()) && !is_renamed {
                names.push((*word).to_owned());
            }
        }
    }
    names
}

#[test]
fn only_foreign_types_that_were_meant_are_part_of_it() {
    let folder = xtask::spec::workspace_root().join("d1-facade/src");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    let mut found = std::collections::BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let imported = imports(&text);
        for declaration in declarations(&text) {
            let words = declaration.split(|c: char| !c.is_alphanumeric() && c != '_');
            let foreign = words.filter(|word| imported.iter().any(|name| name == word));
            found.extend(foreign.map(str::to_owned));
        }
    }
    assert_eq!(found, FOREIGN.map(str::to_owned).into());
}

//! Each link of the guide leads to something: a chapter, a heading, a picture.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{HashMap, HashSet};

use d1_guide::book::{chapters, expanded, source};
use d1_guide::markdown::{anchors, links};

type Anchors = HashMap<String, HashSet<String>>;

/// What is wrong with a link of `chapter`.
fn problem(chapter: &str, target: &str, anchors: &Anchors) -> Option<&'static str> {
    if target.starts_with("https://") {
        // Nothing here reaches the network.
        return None;
    }
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    let file = if file.is_empty() { chapter } else { file };
    if file.starts_with('/') || file.contains("..") || file.contains(':') {
        return Some("leads out of the book");
    }
    let Some(known) = anchors.get(file) else {
        let is_picture = anchor.is_none() && file.ends_with(".svg");
        let is_there = is_picture && source().join(file).is_file();
        return (!is_there).then_some("leads to nothing");
    };
    match anchor {
        Some(anchor) if !known.contains(anchor) => Some("leads to no heading"),
        _ => None,
    }
}

#[test]
fn every_link_leads_somewhere() {
    let whole: Vec<(String, String)> = chapters()
        .into_iter()
        .map(|chapter| (chapter.name, expanded(&chapter.text)))
        .collect();
    let known: Anchors = whole
        .iter()
        .map(|(name, text)| (name.clone(), anchors(text)))
        .collect();
    let mut wrong = Vec::new();
    for (name, text) in &whole {
        for link in links(text) {
            if let Some(problem) = problem(name, &link.target, &known) {
                wrong.push(format!("docs/src/{name}: {}: {problem}", link.target));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_to_nothing_is_seen() {
    let here = HashSet::from(["heading".to_owned()]);
    let known = HashMap::from([("a.md".to_owned(), here)]);
    for (target, expected) in [
        ("a.md", None),
        ("a.md#heading", None),
        ("#heading", None),
        ("https://example.com/x", None),
        ("token-exchanges.svg", None),
        ("b.md", Some("leads to nothing")),
        ("b.svg", Some("leads to nothing")),
        ("a.md#no", Some("leads to no heading")),
        ("#no", Some("leads to no heading")),
        ("../README.md", Some("leads out of the book")),
        ("http://example.com", Some("leads out of the book")),
        ("/a.md", Some("leads out of the book")),
    ] {
        assert_eq!(problem("a.md", target, &known), expected, "{target}");
    }
}

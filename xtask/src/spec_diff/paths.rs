//! Which operation of theirs is which of ours: a prefix may stand in the path or in the server, and the
//! name of a path parameter is nobody's business but the file's.

use std::collections::HashSet;

use super::load::Document;
use super::node::{DeadReference, Node};
use crate::spec::METHODS;

/// An operation with what is around it.
#[derive(Clone)]
pub(crate) struct Operation<'a> {
    pub(crate) path: &'a str,
    /// In upper case.
    pub(crate) method: String,
    pub(crate) node: Node<'a>,
    pub(crate) item: Node<'a>,
    /// The paths of its servers.
    prefixes: Vec<String>,
}

/// An operation of ours, and the one of theirs that is the same.
pub(crate) struct Pair<'a> {
    pub(crate) ours: Operation<'a>,
    pub(crate) theirs: Option<Operation<'a>>,
}

impl Operation<'_> {
    /// Method and path, the path shortened to what tells it from the others.
    pub(crate) fn name(&self) -> String {
        let segments: Vec<_> = self.path.split('/').collect();
        let literal = segments.iter().rposition(|s| !s.starts_with('{'));
        let tail = literal.map_or(self.path.to_owned(), |at| segments[at..].join("/"));
        format!("{} /…/{tail}", self.method)
    }

    /// The names of the path's parameters, in their order.
    pub(crate) fn path_parameters(&self) -> Vec<&str> {
        self.path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
            .collect()
    }

    /// The paths under which it is called, by each of its servers.
    pub(crate) fn full_paths(&self) -> Vec<String> {
        let full = |prefix: &String| normal(&format!("{prefix}/{}", self.path));
        self.prefixes.iter().map(full).collect()
    }
}

/// All operations of a document, and the path items that lead nowhere.
pub(crate) fn operations(document: &Document) -> (Vec<Operation<'_>>, Vec<(&str, DeadReference)>) {
    let root = Node::root(document);
    let (mut operations, mut dead) = (Vec::new(), Vec::new());
    let paths = root.child("paths");
    for (path, item) in paths.iter().flat_map(Node::entries) {
        if path.starts_with("x-") {
            continue;
        }
        let item = match item.resolve() {
            Ok(item) => item,
            Err(problem) => {
                dead.push((path, problem));
                continue;
            }
        };
        for method in METHODS {
            let Some(node) = item.child(method).filter(|n| n.value.is_object()) else {
                continue;
            };
            let servers = [&node, &item, &root]
                .into_iter()
                .find_map(|n| n.child("servers"));
            let mut prefixes: Vec<_> = servers
                .iter()
                .flat_map(Node::items)
                .map(|s| prefix(&s))
                .collect();
            prefixes.dedup();
            if prefixes.is_empty() {
                prefixes.push(String::new());
            }
            operations.push(Operation {
                path,
                method: method.to_uppercase(),
                node,
                item: item.clone(),
                prefixes,
            });
        }
    }
    (operations, dead)
}

/// Finds for each operation of ours the one of theirs, and hands back those that are left.
pub(crate) fn pair<'a>(
    ours: Vec<Operation<'a>>,
    theirs: Vec<Operation<'a>>,
) -> (Vec<Pair<'a>>, Vec<Operation<'a>>) {
    let mut taken = HashSet::new();
    let mut found: Vec<Option<usize>> = vec![None; ours.len()];
    // The exact ones first, so that no looser match takes what belongs to another.
    for exact in [true, false] {
        for (own, slot) in ours.iter().zip(&mut found) {
            if slot.is_some() {
                continue;
            }
            let fits = |(i, other): &(usize, &Operation<'_>)| {
                other.method == own.method
                    && !taken.contains(i)
                    && if exact {
                        same_path(own, other)
                    } else {
                        same_end(own, other)
                    }
            };
            let candidates = theirs.iter().enumerate().filter(fits);
            *slot = candidates.max_by_key(|(_, o)| o.path.len()).map(|(i, _)| i);
            taken.extend(*slot);
        }
    }
    let pairs = ours.into_iter().zip(found).map(|(own, slot)| Pair {
        ours: own,
        theirs: slot.and_then(|i| theirs.get(i).cloned()),
    });
    let pairs = pairs.collect();
    let left = theirs.into_iter().enumerate();
    let left = left.filter(|(i, _)| !taken.contains(i));
    (pairs, left.map(|(_, o)| o).collect())
}

/// Whether both are called under the same path.
pub(crate) fn same_path(ours: &Operation<'_>, theirs: &Operation<'_>) -> bool {
    let paths = theirs.full_paths();
    ours.full_paths().iter().any(|p| paths.contains(p))
}

/// Whether the two are the same but for a prefix that one of them lacks, or has otherwise.
pub(crate) fn same_end(ours: &Operation<'_>, theirs: &Operation<'_>) -> bool {
    let ends = |whole: &[String], path: &str| {
        let path = normal(path);
        let literal = path.split('/').any(|s| !s.is_empty() && !s.contains('{'));
        literal && whole.iter().any(|w| w.ends_with(&path))
    };
    ends(&ours.full_paths(), theirs.path) || ends(&theirs.full_paths(), ours.path)
}

/// A path without the names of its parameters, without empty segments, without an end slash.
fn normal(path: &str) -> String {
    let mut out = String::new();
    let decoded = path.replace("%3A", ":").replace("%3a", ":");
    for segment in decoded.split('/').filter(|s| !s.is_empty()) {
        out.push('/');
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            out.push_str("{}");
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
        out.push_str(rest);
    }
    out
}

/// The path of a server's URL, its variables replaced by their defaults.
fn prefix(server: &Node<'_>) -> String {
    let url = url(server);
    let path = match url.split_once("//") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => &url,
    };
    let path = path.split(['?', '#']).next().unwrap_or("");
    let path = path.trim_matches('/');
    if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    }
}

/// The hosts that the servers of a document name.
pub(crate) fn hosts(document: &Document) -> Vec<String> {
    let servers = Node::root(document).child("servers");
    let urls = servers.iter().flat_map(Node::items).map(|s| url(&s));
    urls.filter_map(|url| {
        let (_, rest) = url.split_once("//")?;
        let host = rest.split('/').next()?.to_ascii_lowercase();
        (!host.is_empty()).then_some(host)
    })
    .collect()
}

fn url(server: &Node<'_>) -> String {
    let mut url = server.text("url").unwrap_or("").to_owned();
    let variables = server.child("variables");
    for (name, variable) in variables.iter().flat_map(Node::entries) {
        if let Some(default) = variable.text("default") {
            url = url.replace(&format!("{{{name}}}"), default);
        }
    }
    url
}

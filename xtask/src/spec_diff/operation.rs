//! Compares two documents operation by operation: what a caller notices, he notices in one of them.

use std::collections::BTreeSet;

use super::node::Node;
use super::paths::{self, Operation};
use super::text::{clean, code};
use super::{Comparison, Effect, Finding};

impl<'a> Comparison<'a> {
    pub(super) fn documents(&mut self) {
        let (ours, _) = paths::operations(self.ours);
        let (theirs, dead) = paths::operations(self.theirs);
        for (path, problem) in dead {
            self.add(Finding {
                place: clean(path),
                what: "path",
                ours: String::new(),
                theirs: format!("{} {}", code(&problem.target), problem.problem),
                effect: Effect::NotCompared("what the path holds is unknown"),
                pointer: "/paths".to_owned(),
            });
        }
        self.hosts();
        let all_theirs = theirs.clone();
        let (pairs, left) = paths::pair(ours, theirs);
        for pair in pairs {
            match pair.theirs {
                Some(theirs) => self.operation(&pair.ours, &theirs),
                None => self.operation_gone(&pair.ours, &all_theirs),
            }
        }
        for operation in left {
            self.add(Finding {
                place: format!("{} {}", operation.method, clean(operation.path)),
                what: "new operation",
                ours: "-".to_owned(),
                theirs: operation
                    .node
                    .text("operationId")
                    .map_or("has it".to_owned(), code),
                effect: Effect::Widens("the client does not have it"),
                pointer: "/paths".to_owned(),
            });
        }
        self.unreached_schemas();
    }

    fn hosts(&mut self) {
        let (ours, theirs) = (paths::hosts(self.ours), paths::hosts(self.theirs));
        if theirs.iter().any(|host| !ours.contains(host)) {
            let text = |hosts: Vec<String>| {
                let codes: Vec<_> = hosts.iter().map(|h| code(h)).collect();
                codes.join(", ")
            };
            self.add(Finding {
                place: "servers".to_owned(),
                what: "host",
                ours: text(ours),
                theirs: text(theirs),
                effect: Effect::Note("hosts are not compared"),
                pointer: "/servers".to_owned(),
            });
        }
    }

    fn operation_gone(&mut self, ours: &Operation<'_>, theirs: &[Operation<'_>]) {
        let methods: BTreeSet<_> = theirs
            .iter()
            .filter(|t| paths::same_path(ours, t) || paths::same_end(ours, t))
            .map(|t| t.method.as_str())
            .collect();
        let said = if methods.is_empty() {
            "has no such path".to_owned()
        } else {
            let methods: Vec<_> = methods.into_iter().collect();
            format!("has the path with {} only", methods.join(", "))
        };
        self.add(Finding {
            place: ours.name(),
            what: "operation",
            ours: code(ours.path),
            theirs: said,
            effect: Effect::Breaks("every call of it fails"),
            pointer: ours.node.pointer.clone(),
        });
    }

    fn operation(&mut self, ours: &Operation<'a>, theirs: &Operation<'a>) {
        let place = ours.name();
        let pointer = &ours.node.pointer;
        if paths::same_path(ours, theirs) {
            self.agree(pointer, "operation");
        } else {
            self.add(Finding {
                place: place.clone(),
                what: "prefix",
                ours: code(ours.path),
                theirs: code(&theirs.full_paths().join(", ")),
                effect: Effect::Note("the prefix of a path is not compared"),
                pointer: pointer.clone(),
            });
        }
        let (own, other) = (security(&ours.node), security(&theirs.node));
        if own != other {
            self.add(Finding {
                place: place.clone(),
                what: "security",
                ours: own,
                theirs: other,
                effect: Effect::Note("security is not compared further"),
                pointer: format!("{pointer}/security"),
            });
        }
        self.deprecated(
            &place,
            pointer,
            ours.node.flag("deprecated"),
            theirs.node.flag("deprecated"),
        );
        self.parameters(ours, theirs);
        self.request(&place, &ours.node, &theirs.node);
        self.responses(&place, &ours.node, &theirs.node);
    }

    pub(super) fn deprecated(&mut self, place: &str, pointer: &str, ours: bool, theirs: bool) {
        if theirs && !ours {
            self.add(Finding {
                place: place.to_owned(),
                what: "deprecated",
                ours: "-".to_owned(),
                theirs: "deprecated".to_owned(),
                effect: Effect::Note("D1 gives nine months' notice of an end of life"),
                pointer: pointer.to_owned(),
            });
        }
    }
}

/// How an operation is secured, each way with the kinds of its schemes.
fn security(operation: &Node<'_>) -> String {
    let root = Node::root(operation.document);
    let schemes = root
        .child("components")
        .and_then(|c| c.child("securitySchemes"));
    let kind = |name: &str| {
        let scheme = schemes.as_ref().and_then(|s| s.resolved_child(name));
        let parts = ["type", "scheme", "in", "name"];
        let parts = parts
            .iter()
            .filter_map(|key| scheme.as_ref()?.text(key))
            .collect::<Vec<_>>();
        if parts.is_empty() {
            name.to_owned()
        } else {
            parts.join(" ").to_lowercase()
        }
    };
    let list = operation
        .child("security")
        .or_else(|| root.child("security"));
    let ways: BTreeSet<String> = list
        .iter()
        .flat_map(Node::items)
        .map(|way| {
            let kinds: BTreeSet<_> = way.entries().map(|(name, _)| kind(name)).collect();
            kinds.into_iter().collect::<Vec<_>>().join(" and ")
        })
        .collect();
    if ways.is_empty() {
        "none".to_owned()
    } else {
        code(&ways.into_iter().collect::<Vec<_>>().join(", or "))
    }
}

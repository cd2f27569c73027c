//! A schema with its references and `allOf` taken together: the same shape can be written in many ways,
//! and OpenAPI 3.1 writes some of it otherwise than 3.0.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::node::Node;
use super::pattern;

/// Which way a schema travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// What an object may hold beyond its properties.
pub(crate) enum Extra<'a> {
    Any,
    Nothing,
    Schema(Node<'a>),
}

/// One schema, as the parts that hold together.
pub(crate) struct Shape<'a> {
    parts: Vec<Node<'a>>,
    /// Keywords, and references, that keep it from being compared as a whole.
    pub(crate) unread: Vec<String>,
    null_branch: bool,
    partial: bool,
}

/// What narrows a schema in a way that is not compared.
const UNREAD: [&str; 12] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "prefixItems",
    "patternProperties",
    "propertyNames",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedItems",
    "$dynamicRef",
];

impl<'a> Shape<'a> {
    /// Takes nodes together that all hold for one value.
    pub(crate) fn of(nodes: &[Node<'a>]) -> Self {
        let mut shape = Self {
            parts: Vec::new(),
            unread: Vec::new(),
            null_branch: false,
            partial: false,
        };
        let mut seen = HashSet::new();
        let mut queue: Vec<_> = nodes.iter().rev().cloned().collect();
        while let Some(node) = queue.pop() {
            if seen.insert(node.pointer.clone()) {
                shape.take(node, &mut queue);
            }
        }
        shape
    }

    fn take(&mut self, node: Node<'a>, queue: &mut Vec<Node<'a>>) {
        if let Some(reference) = node.reference() {
            match node.follow(reference) {
                Ok(target) => queue.push(target),
                Err(dead) => {
                    self.partial = true;
                    self.unread
                        .push(format!("{} {}", dead.target, dead.problem));
                }
            }
            if !node.document.is_3_1 {
                return;
            }
        }
        if node.value == &Value::Bool(false) {
            self.unread.push("a schema that takes nothing".to_owned());
        }
        let mut inner = Vec::new();
        if let Some(all) = node.child("allOf") {
            inner.extend(all.items());
        }
        for key in ["oneOf", "anyOf"] {
            let Some(list) = node.child(key) else {
                continue;
            };
            let (null, other): (Vec<_>, Vec<_>) = list.items().partition(is_null);
            self.null_branch |= !null.is_empty();
            match other.len() {
                0 => {}
                1 => inner.extend(other),
                n => {
                    self.partial = true;
                    self.unread.push(format!("{key} of {n} schemas"));
                }
            }
        }
        let keywords = UNREAD.iter().filter(|key| node.child(key).is_some());
        self.unread.extend(keywords.map(ToString::to_string));
        self.parts.push(node);
        queue.extend(inner.into_iter().rev());
    }

    /// Where to add a keyword: the part that says the type.
    pub(crate) fn home(&self) -> Option<&Node<'a>> {
        let says_type = |part: &&Node<'_>| {
            ["type", "properties", "enum"]
                .iter()
                .any(|k| part.value.get(k).is_some())
        };
        self.parts
            .iter()
            .find(says_type)
            .or_else(|| self.parts.first())
    }

    /// What the parts say for a keyword.
    pub(crate) fn all(&self, key: &str) -> Vec<Node<'a>> {
        self.parts.iter().filter_map(|p| p.child(key)).collect()
    }

    /// What the first part that says it says for a keyword.
    pub(crate) fn first(&self, key: &str) -> Option<Node<'a>> {
        self.parts.iter().find_map(|p| p.child(key))
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.parts.iter().any(|p| p.flag(key))
    }

    pub(crate) fn nullable(&self) -> bool {
        let null_type = |part: &Node<'_>| match part.value.get("type") {
            Some(Value::Array(types)) => types.iter().any(|t| t == "null"),
            Some(one) => one == "null",
            None => false,
        };
        self.null_branch || self.flag("nullable") || self.parts.iter().any(null_type)
    }

    /// The types that all parts take, without null; none says that every type is taken.
    pub(crate) fn types(&self) -> Option<BTreeSet<&'a str>> {
        let mut types: Option<BTreeSet<&str>> = None;
        for node in self.all("type") {
            let said: BTreeSet<&str> = match node.value {
                Value::String(one) => [one.as_str()].into(),
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                _ => continue,
            };
            types = Some(match types {
                None => said,
                Some(before) => before.intersection(&said).copied().collect(),
            });
        }
        let mut types = types.or_else(|| self.implied_type().map(|t| [t].into()))?;
        types.remove("null");
        Some(types)
    }

    /// The type of a schema that says none, by its other keywords.
    fn implied_type(&self) -> Option<&'static str> {
        let has = |keys: &[&str]| keys.iter().any(|k| self.first(k).is_some());
        if has(&["properties", "additionalProperties"]) {
            Some("object")
        } else if has(&["items"]) {
            Some("array")
        } else if has(&["pattern", "minLength", "maxLength"]) {
            Some("string")
        } else {
            let values = self.values()?;
            let all_text = values.iter().all(|v| v.value.is_string());
            (all_text && !values.is_empty()).then_some("string")
        }
    }

    /// The values that are known, whether the list is open or not; without null.
    pub(crate) fn values(&self) -> Option<Vec<Node<'a>>> {
        let mut known: Option<Vec<Node<'a>>> = None;
        for part in &self.parts {
            for key in ["enum", "x-extensible-enum", "const"] {
                let Some(node) = part.child(key) else {
                    continue;
                };
                let said: Vec<_> = match (key, node.value) {
                    ("const", _) => vec![node],
                    (_, Value::Array(_)) => node.items().collect(),
                    _ => continue,
                };
                let said = said.into_iter().filter(|n| !n.value.is_null());
                known = Some(match known {
                    None => said.collect(),
                    Some(before) => {
                        let said: Vec<_> = said.collect();
                        let both = |n: &Node<'_>| said.iter().any(|s| s.value == n.value);
                        before.into_iter().filter(both).collect()
                    }
                });
            }
        }
        known
    }

    /// The patterns, each once, with where they stand.
    pub(crate) fn patterns(&self) -> Vec<(&'a str, Node<'a>)> {
        let mut seen = HashSet::new();
        let nodes = self.all("pattern").into_iter();
        nodes
            .filter_map(|n| Some((n.value.as_str()?, n)))
            .filter(|(text, _)| seen.insert(*text))
            .collect()
    }

    /// The length that a text has at least, or at most: as it is said, or as the pattern has it.
    pub(crate) fn length(&self, key: &'static str) -> Option<u64> {
        let said = self
            .all(key)
            .into_iter()
            .filter_map(|n| n.value.as_u64())
            .filter(|n| key == "maxLength" || *n > 0);
        let implied = self.patterns().into_iter().filter_map(|(text, _)| {
            let (min, max) = pattern::lengths(text)?;
            match key {
                "minLength" => (min > 0).then_some(min),
                _ => (max < u64::MAX).then_some(max),
            }
        });
        let all = said.chain(implied);
        if key == "minLength" {
            all.max()
        } else {
            all.min()
        }
    }

    /// A bound on the number of something, the tightest of those said.
    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        let said = self.all(key).into_iter().filter_map(|n| n.value.as_u64());
        if key.starts_with("min") {
            said.max().filter(|n| *n > 0)
        } else {
            said.min()
        }
    }

    /// `minimum` or `maximum`, the tightest of those said. A bound that is itself shut out counts as the
    /// next whole number, for an integer, or as the next number.
    pub(crate) fn range(&self, key: &str) -> Option<f64> {
        let lower = key == "minimum";
        let exclusive = if lower {
            "exclusiveMinimum"
        } else {
            "exclusiveMaximum"
        };
        let integer = self.types().is_some_and(|t| t == ["integer"].into());
        let beyond = |bound: f64| match (lower, integer) {
            (true, true) => bound.floor() + 1.0,
            (false, true) => bound.ceil() - 1.0,
            (true, false) => bound.next_up(),
            (false, false) => bound.next_down(),
        };
        let number = |part: &Node<'_>, key: &str| part.value.get(key).and_then(Value::as_f64);
        let said = self.parts.iter().flat_map(|part| {
            // 3.0 has a flag beside the bound, 3.1 a number of its own.
            let plain = number(part, key);
            let plain = plain.map(|n| if part.flag(exclusive) { beyond(n) } else { n });
            [plain, number(part, exclusive).map(beyond)]
        });
        let said = said.flatten();
        if lower {
            said.max_by(f64::total_cmp)
        } else {
            said.min_by(f64::total_cmp)
        }
    }

    /// The properties that travel this way, in the order of the file, each with all that holds for it.
    pub(crate) fn properties(&self, direction: Direction) -> Vec<(&'a str, Vec<Node<'a>>)> {
        let mut out: Vec<(&str, Vec<Node<'_>>)> = Vec::new();
        let mut index = std::collections::HashMap::new();
        for list in self.all("properties") {
            for (name, node) in list.entries() {
                let at = *index.entry(name).or_insert_with(|| {
                    out.push((name, Vec::new()));
                    out.len() - 1
                });
                out[at].1.push(node);
            }
        }
        let other_way = match direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        out.retain(|(_, nodes)| !Shape::of(nodes).flag(other_way));
        out
    }

    pub(crate) fn required(&self) -> BTreeSet<&'a str> {
        let lists = self.all("required").into_iter();
        lists
            .flat_map(|list| list.items().filter_map(|n| n.value.as_str()))
            .collect()
    }

    pub(crate) fn extra(&self) -> Extra<'a> {
        for key in ["additionalProperties", "unevaluatedProperties"] {
            for node in self.all(key) {
                match node.value {
                    Value::Bool(false) => return Extra::Nothing,
                    Value::Object(map) if !map.is_empty() => return Extra::Schema(node),
                    _ => {}
                }
            }
        }
        Extra::Any
    }

    /// Whether a part of it is out of sight, so that what seems to be missing may be there.
    pub(crate) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether nothing is said that a value could breach.
    pub(crate) fn is_silent(&self) -> bool {
        self.types().is_none() && self.unread.is_empty() && self.values().is_none()
    }
}

/// Whether a schema takes null and nothing else.
fn is_null(node: &Node<'_>) -> bool {
    let only = |v: &Value| v == &serde_json::json!([null]);
    node.value.get("type").is_some_and(|t| t == "null")
        || node.value.get("const").is_some_and(Value::is_null)
        || node.value.get("enum").is_some_and(only)
}

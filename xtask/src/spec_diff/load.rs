//! Reads an OpenAPI document and remembers the line of each node: a difference is of use when it says
//! which line to edit.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::text;
use crate::error::Error;

/// A document with the lines of its nodes.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Value,
    /// By JSON pointer. A node of a mapping stands on the line of its key. None for JSON.
    lines: HashMap<String, u64>,
    /// Whether it is OpenAPI 3.1, where the keys beside a `$ref` count.
    pub(crate) is_3_1: bool,
}

impl Document {
    /// The line of a node, or of the nearest one around it that has a line.
    pub(crate) fn line(&self, pointer: &str) -> u64 {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return 1,
            }
        }
    }
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read, is neither YAML nor JSON, or no OpenAPI 3.0 or 3.1.
pub(crate) fn load(path: &Path) -> Result<Document, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    parse(text.trim_start_matches('\u{feff}')).map_err(|problem| {
        Error::spec(
            path.display().to_string(),
            text::clean(&problem.replace('`', "'")),
        )
    })
}

/// Parses the text of a file.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let (root, lines) = if text.trim_start().starts_with('{') {
        // YAML holds JSON, but not its tabs.
        match serde_json::from_str(text) {
            Ok(root) => (root, HashMap::new()),
            Err(json) => yaml(text).map_err(|_| format!("it is no JSON: {json}"))?,
        }
    } else {
        yaml(text)?
    };
    let is_3_1 = is_3_1(&root)?;
    if !root.get("paths").is_some_and(Value::is_object) {
        return Err("it has no `paths` that can be compared".to_owned());
    }
    Ok(Document {
        root,
        lines,
        is_3_1,
    })
}

fn yaml(text: &str) -> Result<(Value, HashMap<String, u64>), String> {
    let tree: Tree = serde_saphyr::from_str(text).map_err(|error| {
        let problem = error.without_snippet().to_string();
        format!("it is no YAML: {}", problem.lines().next().unwrap_or(""))
    })?;
    let mut lines = HashMap::new();
    let root = tree.into_value("", &mut lines);
    Ok((root, lines))
}

/// Whether the document is OpenAPI 3.1, and not 3.0.
fn is_3_1(root: &Value) -> Result<bool, String> {
    let version = |key| match root.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        // Without quotes YAML takes 3.1 for a number.
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let reads = "spec-diff reads OpenAPI 3.0 and 3.1";
    let minor = |v: &str, m: &str| v == m || v.strip_prefix(m).is_some_and(|r| r.starts_with('.'));
    match (version("openapi"), version("swagger")) {
        (Some(v), _) if minor(&v, "3.0") => Ok(false),
        (Some(v), _) if minor(&v, "3.1") => Ok(true),
        // 3.0 as a number; its text has lost the fraction in some writers.
        (Some(v), _) if v == "3" => Ok(false),
        (Some(v), _) => Err(format!("it is OpenAPI {v}; {reads}")),
        (None, Some(v)) => Err(format!("it is Swagger {v}; {reads}")),
        (None, None) => Err(format!("it is no OpenAPI document: no `openapi`; {reads}")),
    }
}

/// A YAML node whose parts know their lines.
enum Tree {
    Scalar(Value),
    List(Vec<Spanned<Tree>>),
    Mapping(Vec<(Spanned<String>, Tree)>),
}

impl Tree {
    fn into_value(self, pointer: &str, lines: &mut HashMap<String, u64>) -> Value {
        match self {
            Tree::Scalar(value) => value,
            Tree::List(items) => {
                let items = items.into_iter().enumerate().map(|(i, item)| {
                    let child = format!("{pointer}/{i}");
                    let value = item.value.into_value(&child, lines);
                    lines.insert(child, item.referenced.line());
                    value
                });
                Value::Array(items.collect())
            }
            Tree::Mapping(entries) => {
                let mut map = Map::new();
                for (key, tree) in entries {
                    let child = format!("{pointer}/{}", text::escape(&key.value));
                    let value = tree.into_value(&child, lines);
                    lines.insert(child, key.referenced.line());
                    map.insert(key.value, value);
                }
                Value::Object(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML node")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::String(value.to_string())))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::String(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Mapping(entries))
    }
}

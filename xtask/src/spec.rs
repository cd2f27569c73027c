//! Reads the OpenAPI file and answers the few questions that every generator asks of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use heck::ToSnakeCase as _;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::error::Error;

/// Returns the folder of the workspace: the tree that cargo runs this program for, or the tree around the current folder.
/// The tree that this program was built in counts only where there is neither.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run_for = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let current = std::env::current_dir().ok();
    let starts = [run_for, current, Some(built_in.to_path_buf())];
    let is_root = |folder: &&Path| folder.join(SPEC).is_file();
    let mut roots = starts
        .iter()
        .flatten()
        .filter_map(|start| start.ancestors().find(is_root));
    roots.next().unwrap_or(built_in).to_path_buf()
}

const SPEC: &str = "openapi/d1-card-operations.yaml";

/// The path of the curated spec.
#[must_use]
pub fn spec_path() -> PathBuf {
    workspace_root().join(SPEC)
}

/// Reads a spec file as plain JSON, its keys in the order of the file.
///
/// # Errors
/// When the file cannot be read or is not YAML.
pub fn load(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::at(path.display(), e))?;
    read(&text).map_err(|problem| unreadable(format!("{}: {problem}", path.display())))
}

/// Parses the text of a spec.
///
/// # Errors
/// When it is not YAML.
pub fn parse(text: &str) -> Result<Value, Error> {
    read(text).map_err(unreadable)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|e| without_hint(&e.to_string()))
}

fn unreadable(problem: String) -> Error {
    Error::at("the spec cannot be read", problem)
}

/// The pointer of what `key` names below `pointer`, escaped as RFC 6901 has it.
pub(crate) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The parser's text without its advice to the programmer who calls it.
pub(crate) fn without_hint(text: &str) -> String {
    text.replace(", set DuplicateKeyPolicy in Options if acceptable", "")
}

/// The line of each place of a text, by its JSON pointer: where each key and each item of a list stands.
pub(crate) type Lines = BTreeMap<String, u64>;

/// Parses the text of a spec, and finds the line of each of its places.
///
/// # Errors
/// When it is not YAML.
pub(crate) fn parse_with_lines(text: &str) -> Result<(Value, Lines), Error> {
    let root: Spanned<Node> = read(text).map_err(unreadable)?;
    let mut lines = Lines::from([(String::new(), 1)]);
    Ok((root.value.collect("", &mut lines), lines))
}

/// A value of YAML whose parts know their lines.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Node)>),
}

impl Node {
    /// Returns the value, and adds the lines of its parts.
    fn collect(self, pointer: &str, lines: &mut Lines) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                let item = |(i, item): (usize, Spanned<Self>)| {
                    let place = join(pointer, &i.to_string());
                    lines.insert(place.clone(), item.referenced.line());
                    item.value.collect(&place, lines)
                };
                items.into_iter().enumerate().map(item).collect()
            }
            Self::Map(entries) => {
                let entry = |(key, value): (Spanned<String>, Self)| {
                    let place = join(pointer, &key.value);
                    lines.insert(place.clone(), key.referenced.line());
                    (key.value, value.collect(&place, lines))
                };
                entries.into_iter().map(entry).collect()
            }
        }
    }
}

/// The methods of a visitor for values without parts.
macro_rules! scalars {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, value: $type) -> Result<Node, E> {
            Ok(Node::Scalar(value.into()))
        })*
    };
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Node::Map(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }

            scalars!(visit_str: &str, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar(Value::Null))
            }
        }

        deserializer.deserialize_any(Parts)
    }
}

/// One operation of the spec, with what its path item says.
pub(crate) struct Operation<'a> {
    /// The path template.
    pub(crate) path: &'a str,
    /// The method, in lower case.
    pub(crate) method: &'a str,
    /// Where it stands in the document, as a JSON pointer.
    pub(crate) pointer: String,
    /// The operation object.
    pub(crate) object: &'a Value,
    /// The parameters of the path item, which hold unless the operation has its own.
    pub(crate) shared: &'a [Value],
}

impl Operation<'_> {
    /// The `operationId`, or method and path where there is none.
    pub(crate) fn name(&self) -> String {
        match text(self.object, "operationId") {
            "" => format!("{} {}", self.method.to_uppercase(), self.path),
            id => id.to_owned(),
        }
    }

    /// The parameters, references resolved: the operation's own, and those of its path item that
    /// it does not replace.
    pub(crate) fn parameters<'s>(&'s self, spec: &'s Value) -> Vec<&'s Value> {
        let located = self.located_parameters(spec).into_iter();
        located.map(|(_, parameter)| parameter).collect()
    }

    /// The same with the place where each stands, which may be the one of a reference.
    pub(crate) fn located_parameters<'s>(&'s self, spec: &'s Value) -> Vec<(String, &'s Value)> {
        let place = |owner: &str, i: usize| join(&join(owner, "parameters"), &i.to_string());
        let own = list(self.object, "parameters").iter().enumerate();
        let mut parameters: Vec<_> = own
            .map(|(i, p)| (place(&self.pointer, i), resolve(spec, p)))
            .collect();
        for (i, shared) in self.shared.iter().enumerate() {
            let shared = resolve(spec, shared);
            let replaces = |(_, own): &(String, &Value)| {
                ["name", "in"].iter().all(|k| own.get(k) == shared.get(k))
            };
            if !parameters.iter().any(replaces) {
                parameters.push((place(&join("/paths", self.path), i), shared));
            }
        }
        parameters
    }

    /// The responses by status text, references resolved.
    pub(crate) fn responses<'s>(&'s self, spec: &'s Value) -> Vec<(&'s str, &'s Value)> {
        entries(self.object, "responses")
            .map(|(status, r)| (status.as_str(), resolve(spec, r)))
            .collect()
    }

    /// Where the response with this status stands.
    pub(crate) fn response_place(&self, status: &str) -> String {
        join(&join(&self.pointer, "responses"), status)
    }

    /// Where the response with this status is written: below the operation, or where its reference leads.
    pub(crate) fn response_source(&self, spec: &Value, status: &str) -> String {
        let place = self.response_place(status);
        let reference = spec.pointer(&place).and_then(|r| r.get("$ref"));
        match reference.and_then(Value::as_str) {
            Some(reference) => reference.replacen('#', "", 1),
            None => place,
        }
    }

    /// The schema of the request body as JSON, references resolved.
    pub(crate) fn json_body<'s>(&'s self, spec: &'s Value) -> Option<&'s Value> {
        let content = self.request_body(spec)?.get("content")?;
        let schema = content.get("application/json")?.get("schema")?;
        Some(resolve(spec, schema))
    }

    /// The request body, its reference resolved.
    pub(crate) fn request_body<'s>(&'s self, spec: &'s Value) -> Option<&'s Value> {
        self.object.get("requestBody").map(|b| resolve(spec, b))
    }
}

/// All operations, in the order of the spec.
pub(crate) fn operations(spec: &Value) -> Vec<Operation<'_>> {
    entries(spec, "paths")
        .flat_map(|(path, item)| {
            let shared = list(item, "parameters");
            let methods = item.as_object().into_iter().flatten();
            methods
                .filter(|(key, object)| METHODS.contains(&key.as_str()) && object.is_object())
                .map(move |(method, object)| Operation {
                    path,
                    method,
                    pointer: join(&join("/paths", path), method),
                    object,
                    shared,
                })
        })
        .collect()
}

/// The keys of a path item that are operations.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Follows `$ref`s within the document; a value without one, or with a dead one, is itself.
pub(crate) fn resolve<'a>(spec: &'a Value, value: &'a Value) -> &'a Value {
    let mut current = value;
    // A chain longer than this is a cycle.
    for _ in 0..16 {
        let target = current
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| r.strip_prefix('#'))
            .and_then(|pointer| spec.pointer(pointer));
        match target {
            Some(next) => current = next,
            None => return current,
        }
    }
    current
}

/// The name in Rust of a property or of a parameter whose name on the wire is `wire`.
pub(crate) fn rust_name(wire: &str, object: &Value) -> String {
    let given = object.get("x-d1-rust-name").and_then(Value::as_str);
    given.map_or_else(|| wire.to_snake_case(), str::to_owned)
}

/// The text of a key; empty where there is none.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The list of a key; empty where there is none.
pub(crate) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let list = value.get(key).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The entries of the object of a key; none where there is no object.
pub(crate) fn entries<'v>(
    value: &'v Value,
    key: &str,
) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value
        .get(key)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The schemas below `components`, by name.
pub(crate) fn schemas(spec: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(&spec["components"], "schemas")
}

/// The last segment of a `$ref`, which is the name of the component.
pub(crate) fn ref_name(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()?.rsplit('/').next()
}

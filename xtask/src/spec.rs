//! Reads the OpenAPI file and answers the few questions that every generator asks of it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::Error;

/// The folder of the workspace.
#[must_use]
pub fn workspace_root() -> PathBuf {
    // The manifest of this crate stands one folder below the workspace's.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The path of the curated spec.
#[must_use]
pub fn spec_path() -> PathBuf {
    workspace_root().join("openapi/d1-card-operations.yaml")
}

/// Reads a spec file as plain JSON, its keys in the order of the file.
///
/// # Errors
/// When the file cannot be read or is not YAML.
pub fn load(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    parse(&text).map_err(|error| match error {
        Error::Parse(problem) => Error::Parse(format!("{}: {problem}", path.display())),
        other => other,
    })
}

/// Parses the text of a spec.
///
/// # Errors
/// When it is not YAML.
pub fn parse(text: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(text).map_err(|e| Error::Parse(e.to_string()))
}

/// One operation of the spec, with what its path item says.
pub(crate) struct Operation<'a> {
    /// The path template.
    pub(crate) path: &'a str,
    /// The method, in lower case.
    pub(crate) method: &'a str,
    /// The operation object.
    pub(crate) object: &'a Map<String, Value>,
    /// The parameters of the path item, which hold unless the operation has its own.
    pub(crate) shared: &'a [Value],
}

impl Operation<'_> {
    /// The `operationId`, or method and path where there is none.
    pub(crate) fn name(&self) -> String {
        match self.object.get("operationId").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => format!("{} {}", self.method.to_uppercase(), self.path),
        }
    }

    /// The parameters, references resolved: the operation's own, and those of its path item that
    /// it does not replace.
    pub(crate) fn parameters<'s>(&'s self, spec: &'s Value) -> Vec<&'s Value> {
        let list = self.object.get("parameters").and_then(Value::as_array);
        let mut parameters: Vec<_> = list
            .into_iter()
            .flatten()
            .map(|p| resolve(spec, p))
            .collect();
        for shared in self.shared {
            let shared = resolve(spec, shared);
            let replaces =
                |own: &&Value| ["name", "in"].iter().all(|k| own.get(k) == shared.get(k));
            if !parameters.iter().any(replaces) {
                parameters.push(shared);
            }
        }
        parameters
    }

    /// The responses by status text, references resolved.
    pub(crate) fn responses<'s>(&'s self, spec: &'s Value) -> Vec<(&'s str, &'s Value)> {
        let map = self.object.get("responses").and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .map(|(status, r)| (status.as_str(), resolve(spec, r)))
            .collect()
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
    path_items(spec)
        .flat_map(|(path, item)| {
            let shared = item.get("parameters").and_then(Value::as_array);
            item.iter()
                .filter(|(method, _)| METHODS.contains(&method.as_str()))
                .filter_map(move |(method, object)| {
                    Some(Operation {
                        path,
                        method,
                        object: object.as_object()?,
                        shared: shared.map_or(&[], Vec::as_slice),
                    })
                })
        })
        .collect()
}

/// The keys of a path item that are operations.
pub(crate) const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The path items with their templates, in the order of the spec.
pub(crate) fn path_items(spec: &Value) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
    let paths = spec.get("paths").and_then(Value::as_object);
    paths
        .into_iter()
        .flatten()
        .filter_map(|(path, item)| Some((path.as_str(), item.as_object()?)))
}

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

/// The last segment of a `$ref`, which is the name of the component.
pub(crate) fn ref_name(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()?.rsplit('/').next()
}

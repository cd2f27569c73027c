//! The tests of xtask, in one binary.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cli;
mod codegen;
mod guide;
mod lint;
mod setup;
mod spec_diff;

use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

static TEXT: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(xtask::spec::spec_path()).unwrap());
static SPEC: LazyLock<Value> = LazyLock::new(|| xtask::spec::parse(&TEXT).unwrap());

/// Puts `value` at a place of a spec, or removes what is there if it is null. A pointer without a slash before it begins
/// with the name of an operation or of a schema.
fn edit(spec: &mut Value, pointer: &str, value: &Value) {
    let pointer = absolute(spec, pointer);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match spec.pointer_mut(parent).unwrap() {
        Value::Object(map) if value.is_null() => drop(map.shift_remove(&key).unwrap()),
        Value::Object(map) => drop(map.insert(key, value.clone())),
        Value::Array(items) => {
            let i: usize = key.parse().unwrap();
            let rest = items.split_off(i);
            items.extend((!value.is_null()).then(|| value.clone()));
            items.extend(rest.into_iter().skip(1));
        }
        other => panic!("{pointer} is below {other}"),
    }
}

fn absolute(spec: &Value, pointer: &str) -> String {
    let (name, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!("/{rest}")
    };
    if name.is_empty() {
        return rest;
    }
    for (path, item) in spec["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["operationId"] == name {
                return format!("/paths/{}/{method}{rest}", path.replace('/', "~1"));
            }
        }
    }
    format!("/components/schemas/{name}{rest}")
}

/// The spec with each edit of an object: what is put at a place, by its pointer.
fn edited(spec: &Value, edits: &Value) -> Value {
    let mut edited = spec.clone();
    for (pointer, value) in edits.as_object().unwrap() {
        edit(&mut edited, pointer, value);
    }
    assert_ne!(edited, *spec, "the edit changes nothing: {edits}");
    edited
}

/// Renames a key where it is, as an edit of one line does.
fn rename(spec: &mut Value, pointer: &str, from: &str, to: &str) {
    let pointer = absolute(spec, pointer);
    let map = spec.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
    assert!(map.contains_key(from), "no {from}");
    let entries = std::mem::take(map).into_iter();
    *map = entries
        .map(|(key, value)| (if key == from { to.to_owned() } else { key }, value))
        .collect();
}

fn xtask(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args);
    command
}

/// What a command printed to standard output and to standard error, and its exit code.
fn done(command: &mut Command) -> (String, String, Option<i32>) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr), status.code())
}

/// A file with a spec, which is removed with the value. JSON is YAML too.
struct SpecFile(tempfile::TempDir);

impl SpecFile {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spec.yaml"), text).unwrap();
        Self(folder)
    }

    /// The committed spec with edits.
    fn edited(edits: &Value) -> Self {
        Self::new(&edited(&SPEC, edits).to_string())
    }

    fn path(&self) -> String {
        self.0.path().join("spec.yaml").to_str().unwrap().to_owned()
    }
}

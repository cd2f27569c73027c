//! Compares what Thales publishes about an operation with our spec: a line for each thing that only one of them
//! says, with the mark that says how certain ours is.
//!
//! Two people write the same interface differently, so each operation is unfolded first: references are replaced by
//! what they lead to, texts and examples are left out, lists of values lose their order. Servers do not count. The
//! normalizer of the generator is not used: it takes out names on the wire, bounds and bodies, which are the facts
//! that a published file can settle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::spec::{self, Operation};

/// Bounds on what is unfolded: references can make a small file deep, or large without end.
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 50_000;

/// Compares the file at `path`, or standard input for `-`, with our spec. Returns whether both say the same of the
/// operations that both have, and the report.
///
/// # Errors
/// When the file cannot be read or has no operation of ours.
pub fn run(path: &Path) -> Result<(bool, String), Error> {
    let name = path.display().to_string();
    let text = match path == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| Error::at(&name, error))?;
    let report = compare(&spec::load(&spec::spec_path())?, &text, &name);
    report.map_err(|problem| Error::at(name, clean(&problem)))
}

/// Compares the text of a published file with our spec. Returns whether both say the same of the operations that
/// both have, and the report.
///
/// # Errors
/// When it cannot be read or has no operation of ours.
pub fn compare(ours: &Value, theirs: &str, name: &str) -> Result<(bool, String), String> {
    let (documents, mut skipped) = documents(theirs)?;
    let with_document = |d| spec::operations(d).into_iter().map(move |o| (d, o));
    let mut theirs: Vec<_> = documents.iter().flat_map(with_document).collect();
    let operations = spec::operations(ours);
    let mut compared = 0;
    // What several operations share is printed once, below the names of all of them.
    let mut places = BTreeMap::<Line, BTreeSet<String>>::new();
    for operation in &operations {
        let name = operation.name();
        let Some(found) = theirs.iter().position(|(d, o)| is_same(d, o, operation)) else {
            skipped.push(format!("not in theirs: {name}"));
            continue;
        };
        let (document, found) = theirs.remove(found);
        let theirs = Surface::new(document, &found);
        for (section, line) in Surface::new(ours, operation).differences(&theirs) {
            let place = format!("{name} {section}");
            places.entry(line).or_default().insert(place);
        }
        compared += 1;
    }
    if compared == 0 {
        return Err("it has no operation of ours".to_owned());
    }
    for (document, operation) in theirs {
        let path = full_path(document, &operation);
        skipped.push(format!("only in theirs: {} {path}", operation.method));
    }
    let (all, count) = (operations.len(), places.len());
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for (line, places) in places {
        groups.entry(places).or_default().push(line);
    }
    let mut text = format!("- openapi/d1-card-operations.yaml\n+ {}\n", clean(name));
    for (places, lines) in groups {
        text += &format!("\n{}\n", Vec::from_iter(places).join(", "));
        for (below, is_theirs, value, mark) in lines {
            let sign = if is_theirs { "+" } else { "-" };
            let line = below + &value;
            text += &format!("{sign} {} ({mark})\n", line.trim_start());
        }
    }
    text += "\n";
    for line in skipped {
        text += &format!("not compared, {}\n", clean(&line));
    }
    text += &format!("{compared} of {all} operations compared, {count} difference(s)\n");
    Ok((count == 0, text))
}

/// Returns the documents of a text (itself, or the blocks of a Markdown page), and what of it cannot be read.
fn documents(text: &str) -> Result<(Vec<Value>, Vec<String>), String> {
    let problem = match parse(text.trim_start_matches('\u{feff}')) {
        Ok(document) => return Ok((vec![document], Vec::new())),
        Err(problem) => problem,
    };
    let (mut documents, mut unread) = (Vec::new(), Vec::new());
    // A page that is cut off ends in a block.
    let page = format!("\n{text}");
    for (number, block) in (1..).zip(page.split("\n```").skip(1).step_by(2)) {
        let (_, code) = block.split_once('\n').unwrap_or_default();
        match parse(code) {
            Ok(document) => documents.push(document),
            Err(why) if code.contains("openapi") => unread.push(format!("block {number}: {why}")),
            Err(_) => {}
        }
    }
    match documents.is_empty() {
        true => Err(unread.into_iter().next().unwrap_or(problem)),
        false => Ok((documents, unread)),
    }
}

fn parse(text: &str) -> Result<Value, String> {
    let yaml = |_| serde_saphyr::from_str(text);
    let document: Value = serde_json::from_str(text).or_else(yaml).map_err(|error| {
        let error = error.without_snippet().to_string();
        format!(
            "it is neither JSON nor YAML: {}",
            spec::without_hint(&error)
        )
    })?;
    let version = document["openapi"].to_string().replace('"', "");
    match version.starts_with("3.0") || version.starts_with("3.1") {
        true => Ok(document),
        false => Err(format!("its OpenAPI version is {version}, not 3.0 or 3.1")),
    }
}

/// The path after the host, that of the server included.
fn full_path(document: &Value, operation: &Operation<'_>) -> String {
    let server = document.pointer("/servers/0/url").and_then(Value::as_str);
    let base = server.and_then(|url| url.splitn(4, '/').nth(3));
    let base = base.unwrap_or_default().trim_end_matches('/');
    format!("/{base}{}", operation.path).replacen("//", "/", 1)
}

/// Whether an operation is `ours`. A file may leave out what the server adds to a path, such as `/banking/v1`.
fn is_same(document: &Value, operation: &Operation<'_>, ours: &Operation<'_>) -> bool {
    let without_names = |path: &str| {
        let rests = path
            .split('{')
            .map(|part| part.split_once('}').unwrap_or(("", part)).1);
        rests.collect::<Vec<_>>().join("{}")
    };
    let path = without_names(&full_path(document, operation));
    let whole = without_names(ours.path);
    let lead = whole.strip_suffix(&path).unwrap_or("////");
    operation.method == ours.method
        && (path.ends_with(&whole) || path.len() > 1 && lead.matches('/').count() <= 2)
}

/// The path of a difference below its section, whether it is theirs, its value, and our mark.
type Line = (String, bool, String, String);

/// What an operation says, independent of how its document is divided.
struct Surface<'a> {
    document: &'a Value,
    /// By path: the section, then the keys, with a slash before each.
    lines: BTreeMap<String, String>,
    marks: BTreeMap<String, &'a str>,
    /// What is being unfolded, from the outermost.
    open: Vec<&'a Value>,
    nodes: usize,
}

impl<'a> Surface<'a> {
    fn new(document: &'a Value, operation: &'a Operation<'a>) -> Self {
        let (lines, marks) = (BTreeMap::new(), BTreeMap::new());
        let mut surface = Self {
            document,
            lines,
            marks,
            open: Vec::new(),
            nodes: 0,
        };
        surface.mark("", operation.object);
        for parameter in operation.parameters(document) {
            let text = |key| parameter[key].as_str().unwrap_or("?");
            let path = format!("/parameters/{} {}", text("in"), text("name"));
            surface.add(&path, parameter);
        }
        if let Some(body) = operation.object.get("requestBody") {
            surface.add("/request", body);
        }
        for (status, response) in spec::entries(operation.object, "responses") {
            if status.starts_with('2') {
                surface.say(&format!("/success/status/{status}"), "");
                surface.add("/success", response);
            } else {
                surface.add(&format!("/response {status}"), response);
            }
        }
        surface
    }

    fn say(&mut self, path: &str, value: &str) {
        self.lines
            .entry(clean(path))
            .or_insert_with(|| clean(value));
    }

    /// Keeps the outer of two marks: it is about this very place.
    fn mark(&mut self, path: &str, node: &'a Value) {
        if let Some(mark) = node.get("x-d1-confidence").and_then(Value::as_str) {
            self.marks.entry(path.to_owned()).or_insert(mark);
        }
    }

    fn add(&mut self, path: &str, node: &'a Value) {
        self.nodes += 1;
        let is_open = self.open.iter().any(|open| std::ptr::eq(*open, node));
        if is_open || self.open.len() > MAX_DEPTH || self.nodes > MAX_NODES {
            self.say(path, ": leads to itself, or too far to be compared");
            return;
        }
        self.open.push(node);
        self.mark(path, node);
        match node {
            Value::Object(map) => self.add_object(path, map),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| match item {
                Value::Object(_) | Value::Array(_) => self.add(&format!("{path}/{i}"), item),
                // The order of values does not count.
                _ => self.say(
                    &format!("{path}/{}", item.to_string().trim_matches('"')),
                    "",
                ),
            }),
            value => self.say(path, &format!(" = {value}")),
        }
        self.open.pop();
    }

    fn add_object(&mut self, path: &str, map: &'a Map<String, Value>) {
        for (key, value) in map {
            let below = format!("{path}/{key}");
            match (key.as_str(), value) {
                // Below: what stands beside them is about this very place.
                ("$ref" | "allOf", _) => {}
                ("description" | "summary" | "title" | "example" | "examples", _) => {}
                // In the path already.
                ("in" | "name", _) => {}
                ("required" | "nullable" | "deprecated", Value::Bool(false)) => {}
                ("additionalProperties", _) if [json!(true), json!({})].contains(value) => {}
                ("nullable", _) => self.say(&format!("{path}/type/null"), ""),
                ("type", Value::String(name)) => self.say(&format!("{below}/{name}"), ""),
                ("x-extensible-enum", _) => self.add(&format!("{path}/enum"), value),
                ("x-d1-default", _) => self.add(&format!("{path}/default"), value),
                (key, _) if key.starts_with("x-") => {}
                ("properties" | "content", Value::Object(names)) => {
                    for (name, part) in names {
                        // A media type loses its parameters.
                        let (name, _) = name.split_once(';').unwrap_or((name, ""));
                        self.add(&format!("{below}/{name}"), part);
                    }
                }
                _ => self.add(&below, value),
            }
        }
        for part in map
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.add(path, part);
        }
        if let Some(reference) = map.get("$ref") {
            let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
            match pointer.and_then(|pointer| self.document.pointer(pointer)) {
                Some(target) => self.add(path, target),
                None => self.say(path, &format!(": {reference} leads nowhere")),
            }
        }
        let below = clean(path) + "/";
        let next = self.lines.range(below.clone()..).next();
        if !next.is_some_and(|(path, _)| path.starts_with(&below)) {
            self.say(path, " = {}");
        }
    }

    /// What only one of the two says, each with the section where it stands.
    fn differences(&self, theirs: &Self) -> Vec<(String, Line)> {
        let mut differences = Vec::new();
        for (is_theirs, these, those) in [(false, self, theirs), (true, theirs, self)] {
            for (path, value) in &these.lines {
                if those.lines.get(path) == Some(value) {
                    continue;
                }
                let ends = path.match_indices('/').map(|(end, _)| end);
                let mut around = ends.chain([path.len()]).rev().map(|end| &path[..end]);
                let mark = around.find_map(|path| self.marks.get(path));
                let mark = mark.copied().unwrap_or("documented").to_owned();
                let (section, below) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
                let line = (below.to_owned(), is_theirs, value.clone(), mark);
                differences.push((section.to_owned(), line));
            }
        }
        differences
    }
}

/// A text without what a terminal would obey.
fn clean(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

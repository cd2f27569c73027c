//! `cargo xtask spec-lint`: refuses what the generator would turn into a wrong client without an error.
//!
//! Each rule is about something that the generator handles badly, or keeps the client working when D1 changes.
//! What one place of the spec may hold is in `openapi/shape.yaml`; rules on several places are functions here.
//! A finding names file and line, what is wrong, and the fix.

mod names;
mod operations;
mod patterns;
mod references;
mod schemas;
mod shape;

pub use shape::extensions;

use std::borrow::Cow;

use serde_json::Value;

use crate::error::Error;
use crate::spec::{self, join};

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// Where it is: file and line where the spec was read from a text, the place in the document otherwise.
    pub location: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

/// What a rule finds: the place as a JSON pointer, what is wrong, and a fix that is better than that of the rule.
#[derive(Default)]
struct Breaches(Vec<(String, String, Option<Cow<'static, str>>)>);

impl Breaches {
    fn add(&mut self, pointer: impl Into<String>, problem: impl Into<String>) {
        self.0.push((pointer.into(), problem.into(), None));
    }

    fn add_with_fix(
        &mut self,
        pointer: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<Cow<'static, str>>,
    ) {
        self.0
            .push((pointer.into(), problem.into(), Some(fix.into())));
    }
}

/// The name of a rule, what to do about a breach unless the breach says it better, and what finds breaches.
type Rule = (&'static str, &'static str, fn(&Value, &mut Breaches));

const RULES: &[Rule] = &[
    ("shape", "write it as openapi/shape.yaml says", shape::shape),
    (
        "unique-names",
        "give each a different name; x-d1-rust-name changes the name in Rust alone",
        names::unique_names,
    ),
    (
        "declared-names",
        "use a name that is declared there, or declare it",
        names::declared_names,
    ),
    (
        "one-success-response",
        "declare one success response: a status or 2XX",
        operations::one_success_response,
    ),
    (
        "one-error-schema",
        "give all error responses of an operation the same schema by $ref",
        operations::one_error_schema,
    ),
    (
        "path-parameters",
        "give each {name} of the path one parameter, and its schema a pattern like ^[A-Za-z0-9_-]{1,64}$",
        operations::path_parameters,
    ),
    (
        "error-rows",
        "give each error response x-d1-errors, a list of rows with `meaning` and `advice`",
        operations::error_rows,
    ),
    (
        "dead-reference",
        "refer to a component of this file that exists and has no x-d1-client: omit",
        references::dead_reference,
    ),
    (
        "cyclic-reference",
        "remove the reference; no schema of D1 contains itself",
        references::cyclic_reference,
    ),
    (
        "unused-schema",
        "remove it, or add x-d1-client: omit; the client would have a type that no call uses and whose Debug prints its fields",
        references::unused_schema,
    ),
    (
        "card-data",
        "remove it: card data travels in encryptedData alone, and the Debug of the client's type would print it",
        references::card_data,
    ),
    (
        "reserved",
        "remove x-d1-reserved; it marks a property of a request body that the client does not send",
        references::reserved,
    ),
    (
        "response-stays-open",
        "remove pattern, format and lengths from what a response holds; D1 may change them",
        schemas::response_stays_open,
    ),
    (
        "pattern-dialect",
        "write the pattern as ^...$ with sets such as [A-Za-z0-9_], counts and plain groups; OpenAPI and Rust read these in the same way",
        patterns::pattern_dialect,
    ),
    (
        "bounds",
        "make the lower bound no greater than the upper bound",
        schemas::bounds,
    ),
    (
        "valid-values",
        "use a value that the schema allows, or correct the schema",
        schemas::valid_values,
    ),
];

/// Returns the names of the rules, in the order in which they are checked.
pub fn rules() -> impl ExactSizeIterator<Item = &'static str> {
    RULES.iter().map(|(name, ..)| *name)
}

/// Checks a spec against every rule.
#[must_use]
pub fn check(spec: &Value) -> Vec<Finding> {
    check_with(spec, |pointer| place(spec, pointer))
}

/// Checks the text of a spec against every rule; `file` is what the findings call it.
///
/// # Errors
/// When the text is not YAML, or has a key twice.
pub fn check_text(text: &str, file: &str) -> Result<Vec<Finding>, Error> {
    let (spec, lines) = spec::parse_with_lines(text)?;
    Ok(check_with(&spec, |pointer| {
        let line = lines.get(nearest(&lines, pointer)).copied().unwrap_or(1);
        format!("{file}:{line}")
    }))
}

/// The place itself, or the nearest one around it that is in the text.
fn nearest<'p>(lines: &spec::Lines, pointer: &'p str) -> &'p str {
    let mut known = pointer;
    while !lines.contains_key(known)
        && let Some((parent, _)) = known.rsplit_once('/')
    {
        known = parent;
    }
    known
}

fn check_with(spec: &Value, locate: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    for &(rule, usual_fix, check) in RULES {
        let mut breaches = Breaches::default();
        check(spec, &mut breaches);
        findings.extend(
            breaches
                .0
                .into_iter()
                .map(|(pointer, problem, fix)| Finding {
                    rule,
                    location: locate(&pointer),
                    problem,
                    fix: fix.unwrap_or(usual_fix.into()).into_owned(),
                }),
        );
    }
    findings
}

/// A place of the document in words: an operation goes by its name.
fn place(spec: &Value, pointer: &str) -> String {
    let operations = spec::operations(spec);
    let owner = operations.iter().find_map(|o| {
        let rest = pointer.strip_prefix(&o.pointer)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (o.name(), rest))
    });
    let (name, rest) = owner.unwrap_or((String::new(), pointer));
    let rest = rest.trim_start_matches('/').replace('/', ".");
    let place = format!("{name} {}", rest.replace("~1", "/").replace("~0", "~"));
    place.trim().to_owned()
}

/// Returns an error unless there are no findings.
pub(crate) fn passed(findings: &[Finding]) -> Result<(), Error> {
    match findings.len() {
        0 => Ok(()),
        count => {
            let findings = render(findings);
            Err(Error::new(format!(
                "the spec breaks {count} rule(s):\n{findings}"
            )))
        }
    }
}

/// Returns the findings as text, two lines each.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|f| {
        let (location, problem, rule, fix) = (&f.location, &f.problem, f.rule, &f.fix);
        format!("  {location}: {problem}\n      fix [{rule}]: {fix}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Calls `visit` with each object below a value, and with its pointer.
fn walk<'v>(value: &'v Value, pointer: &str, visit: &mut impl FnMut(&str, &'v Value)) {
    if let Value::Object(map) = value {
        visit(pointer, value);
        for (key, child) in map {
            // An example is data, not schema; a property may be called so all the same.
            if key != "example" || pointer.ends_with("/properties") {
                walk(child, &join(pointer, key), visit);
            }
        }
    }
    for (i, child) in value.as_array().into_iter().flatten().enumerate() {
        walk(child, &format!("{pointer}/{i}"), visit);
    }
}

/// Calls `visit` with each object of the components and of the paths, schemas among them.
fn objects<'v>(spec: &'v Value, mut visit: impl FnMut(&str, &'v Value)) {
    for key in ["components", "paths"] {
        walk(&spec[key], &join("", key), &mut visit);
    }
}

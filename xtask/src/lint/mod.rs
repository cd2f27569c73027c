//! `cargo xtask spec-lint`: refuses what the generator would turn into a wrong client without an error.
//!
//! Each rule is about something that the generator handles badly, or keeps the client working when D1 changes.
//! A finding names file and line, what is wrong, and the fix.

mod extensions;
mod generator;
mod keys;
mod names;
mod patterns;
mod schemas;
mod shape;
mod values;

pub use keys::extensions;

use std::borrow::Cow;

use serde_json::Value;

use crate::error::Error;
use crate::spec;

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

/// A rule of the lint.
pub struct Rule {
    /// Its name, which a finding carries.
    pub name: &'static str,
    /// What to do about a breach, unless the breach says it better.
    pub fix: &'static str,
    check: fn(&Value, &mut Vec<Breach>),
}

/// A breach of a rule, without the rule's name.
struct Breach {
    /// The place in the document, as a JSON pointer.
    pointer: String,
    problem: String,
    fix: Option<Cow<'static, str>>,
}

impl Breach {
    fn new(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            problem: problem.into(),
            fix: None,
        }
    }

    /// What to do about this very breach.
    fn with_fix(mut self, fix: impl Into<Cow<'static, str>>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Every rule, in the order in which they are checked.
pub const RULES: &[Rule] = &[
    Rule {
        name: "closed-keys",
        fix: "use the keys and values that xtask/src/lint/keys.rs lists",
        check: keys::closed_keys,
    },
    Rule {
        name: "openapi-version",
        fix: "write the spec as OpenAPI 3.0.x; the generator reads no other version",
        check: generator::openapi_version,
    },
    Rule {
        name: "info-version-ascii",
        fix: "use ASCII letters, digits and punctuation in info.version; it is sent as a header, and any other character makes every call panic",
        check: generator::info_version_ascii,
    },
    Rule {
        name: "servers",
        fix: "declare one server for each x-d1-environment, each with another host; write the path in paths",
        check: generator::servers,
    },
    Rule {
        name: "operation-id",
        fix: "give each operation a different operationId in camelCase that is no keyword of Rust",
        check: names::operation_id,
    },
    Rule {
        name: "schema-names",
        fix: "give each schema a different name in UpperCamelCase, such as CardId",
        check: names::schema_names,
    },
    Rule {
        name: "parameter-names",
        fix: "declare each parameter once, in the operation or in its path; give it an x-d1-rust-name where two names are alike in Rust",
        check: names::parameter_names,
    },
    Rule {
        name: "response-status",
        fix: "use a status such as 200, or 2XX; the generator ignores all others",
        check: generator::response_status,
    },
    Rule {
        name: "one-success-response",
        fix: "declare one success response (a status or 2XX) and no default beside it",
        check: generator::one_success_response,
    },
    Rule {
        name: "one-error-schema",
        fix: "give all error responses of an operation the same schema by $ref",
        check: generator::one_error_schema,
    },
    Rule {
        name: "request-body-required",
        fix: "set requestBody.required to true; the generator ignores false and always sends the body",
        check: generator::request_body_required,
    },
    Rule {
        name: "one-request-media-type",
        fix: "declare one media type for the request body; the generator panics on several",
        check: generator::one_request_media_type,
    },
    Rule {
        name: "path-parameter-pattern",
        fix: "let its schema be a $ref to a component whose pattern is like ^[A-Za-z0-9_-]{1,64}$",
        check: generator::path_parameter_pattern,
    },
    Rule {
        name: "path-template",
        fix: "give each {name} of the path a parameter with `in: path` and `required: true`, and declare no others",
        check: generator::path_template,
    },
    Rule {
        name: "query-parameter-inline",
        fix: "write the schema in place, without pattern or length; the generator drops the parameter's name where the schema has one",
        check: generator::query_parameter_inline,
    },
    Rule {
        name: "dead-reference",
        fix: "refer to a component of this file that exists and has no x-d1-client: omit",
        check: schemas::dead_reference,
    },
    Rule {
        name: "cyclic-reference",
        fix: "remove the reference; no schema of D1 contains itself",
        check: schemas::cyclic_reference,
    },
    Rule {
        name: "unused-schema",
        fix: "remove it, or add x-d1-client: omit; the client would have a type that no call uses and whose Debug prints its fields",
        check: schemas::unused_schema,
    },
    Rule {
        name: "card-data",
        fix: "remove it: card data travels in encryptedData alone, and the Debug of the client's type would print it",
        check: schemas::card_data,
    },
    Rule {
        name: "declared-names",
        fix: "use a name that is declared there, or declare it",
        check: names::declared_names,
    },
    Rule {
        name: "property-default",
        fix: "write the default in the description and in x-d1-default; an inline default is always sent",
        check: schemas::property_default,
    },
    Rule {
        name: "numeric-bounds",
        fix: "use minimum and maximum for query parameters only; the client checks no other numbers",
        check: schemas::numeric_bounds,
    },
    Rule {
        name: "response-stays-open",
        fix: "remove pattern, format and lengths from what a response holds; D1 may change them",
        check: schemas::response_stays_open,
    },
    Rule {
        name: "pattern-dialect",
        fix: "write the pattern as ^...$ with sets such as [A-Za-z0-9_], counts and plain groups; OpenAPI and Rust read these in the same way",
        check: patterns::pattern_dialect,
    },
    Rule {
        name: "description-code",
        fix: "remove code fences and indented blocks from the text; rustdoc would run them as tests",
        check: schemas::description_code,
    },
    Rule {
        name: "error-rows",
        fix: "give each error response x-d1-errors, a list of rows with `meaning` and `advice`",
        check: extensions::error_rows,
    },
    Rule {
        name: "rust-name",
        fix: "use x-d1-rust-name on properties of components and on query parameters of an operation, in snake_case, with another name for each",
        check: names::property_names,
    },
    Rule {
        name: "reserved",
        fix: "remove x-d1-reserved; it marks a property of a request body that the client does not send",
        check: extensions::reserved,
    },
    Rule {
        name: "open-values",
        fix: "give each value of x-extensible-enum a different name in upper case, such as CARD_LOST",
        check: names::value_names,
    },
    Rule {
        name: "bounds",
        fix: "make the lower bound no greater than the upper bound",
        check: values::bounds,
    },
    Rule {
        name: "types",
        fix: "add the type, or remove the key",
        check: values::types,
    },
    Rule {
        name: "valid-values",
        fix: "use a value that the schema allows, or correct the schema",
        check: values::valid_values,
    },
];

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
    let lines = spec::lines(text)?;
    Ok(check_with(&spec::parse(text)?, |pointer| {
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
    for rule in RULES {
        let mut breaches = Vec::new();
        (rule.check)(spec, &mut breaches);
        findings.extend(breaches.into_iter().map(|breach| Finding {
            rule: rule.name,
            location: locate(&breach.pointer),
            problem: breach.problem,
            fix: breach.fix.unwrap_or(rule.fix.into()).into_owned(),
        }));
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
    format!("{name} {}", rest.replace("~1", "/").replace("~0", "~"))
        .trim()
        .to_owned()
}

/// Returns the error of a spec with these findings.
pub(crate) fn error(findings: &[Finding]) -> Error {
    Error::Lint {
        count: findings.len(),
        findings: render(findings),
    }
}

/// Returns the findings as text, two lines each.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|f| {
        format!(
            "  {}: {}\n      fix [{}]: {}",
            f.location, f.problem, f.rule, f.fix
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

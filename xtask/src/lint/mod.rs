//! `cargo xtask spec-lint`: refuses what the generator would turn, silently, into a wrong client.
//!
//! Each rule is a trap of the generator, or a rule of ours that keeps D1's evolution harmless. A
//! finding names file and line, what is wrong, and the fix.

mod extensions;
mod generator;
mod keys;
mod patterns;
mod schemas;
mod shape;
mod values;

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

/// A breach before its rule's name is put to it.
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
        fix: "write the spec as OpenAPI 3.0.x; the generator reads nothing else",
        check: generator::openapi_version,
    },
    Rule {
        name: "info-version-ascii",
        fix: "keep info.version in ASCII; it becomes a header, and any other makes every call panic",
        check: generator::info_version_ascii,
    },
    Rule {
        name: "servers",
        fix: "put https and the host alone into url, the whole path into paths; each has an x-d1-environment of its own",
        check: generator::servers,
    },
    Rule {
        name: "operation-id",
        fix: "give each operation an operationId of its own, in camelCase",
        check: generator::operation_id,
    },
    Rule {
        name: "response-status",
        fix: "name a status such as 200, or 2XX; the generator ignores others without a word",
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
        fix: "set requestBody.required to true; false is ignored, the body is always sent",
        check: generator::request_body_required,
    },
    Rule {
        name: "one-request-media-type",
        fix: "declare one media type with a schema for the request body; several panic the generator",
        check: generator::one_request_media_type,
    },
    Rule {
        name: "path-parameter-pattern",
        fix: "let its schema be a $ref to a named component whose pattern is like ^[A-Za-z0-9_-]{1,64}$",
        check: generator::path_parameter_pattern,
    },
    Rule {
        name: "path-template",
        fix: "give each {name} of the path a parameter with `in: path` and `required: true`, and no others",
        check: generator::path_template,
    },
    Rule {
        name: "query-parameter-inline",
        fix: "write its schema in place, without pattern or length: a named type loses the parameter's name",
        check: generator::query_parameter_inline,
    },
    Rule {
        name: "dead-reference",
        fix: "let $ref name a component of this file that is there and not x-d1-client: omit",
        check: schemas::dead_reference,
    },
    Rule {
        name: "cyclic-reference",
        fix: "take the reference out; nothing of D1 is a part of itself",
        check: schemas::cyclic_reference,
    },
    Rule {
        name: "required-properties",
        fix: "name a property that is there; what is required and unknown is ignored",
        check: values::required_properties,
    },
    Rule {
        name: "any-of",
        fix: "use x-extensible-enum on a plain string for open values; anyOf compiles and fails at run time",
        check: schemas::any_of,
    },
    Rule {
        name: "property-default",
        fix: "say the default in the description and x-d1-default; an inline default is always sent",
        check: schemas::property_default,
    },
    Rule {
        name: "numeric-bounds",
        fix: "keep minimum and maximum to integer query parameters, whose bounds go into constants.rs; elsewhere nobody checks them",
        check: schemas::numeric_bounds,
    },
    Rule {
        name: "closed-object",
        fix: "take additionalProperties: false out; D1 adds fields, and this one would refuse them",
        check: schemas::closed_object,
    },
    Rule {
        name: "response-stays-open",
        fix: "take pattern, enum, format and length out of what a response holds; D1 may change them",
        check: schemas::response_stays_open,
    },
    Rule {
        name: "pattern-dialect",
        fix: "write the pattern as ^...$ with sets such as [A-Za-z0-9_], counts and plain groups; OpenAPI and the client read those alike",
        check: patterns::pattern_dialect,
    },
    Rule {
        name: "description-code",
        fix: "take code fences and indented blocks out of the description; they become doc tests",
        check: schemas::description_code,
    },
    Rule {
        name: "error-rows",
        fix: "give each error response x-d1-errors: rows with meaning and advice, and only known keys",
        check: extensions::error_rows,
    },
    Rule {
        name: "rust-name",
        fix: "give x-d1-rust-name to properties of components and to query parameters in place, in snake_case, each name once",
        check: extensions::rust_name,
    },
    Rule {
        name: "reserved",
        fix: "take x-d1-reserved out; it keeps the client from sending a field of a body",
        check: values::reserved,
    },
    Rule {
        name: "open-values",
        fix: "give each value of x-extensible-enum a name of its own in upper case, such as CARD_LOST",
        check: values::open_values,
    },
    Rule {
        name: "reason-codes",
        fix: "name values of the schema ReasonCode",
        check: values::reason_codes,
    },
    Rule {
        name: "bounds",
        fix: "let the least be no more than the most",
        check: values::bounds,
    },
    Rule {
        name: "valid-values",
        fix: "let the value be one that the schema takes, or correct the schema",
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

/// The place itself, or what it is a part of where that alone is in the text.
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

/// The findings as text, two lines each.
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
